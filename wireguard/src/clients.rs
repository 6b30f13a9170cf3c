//! The clients of one Unix socket: a limited number is served at a time, and an idle client loses its place to a new one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::panics::contained;
use crate::socket::Socket;

/// Maximum number of clients that are served at a time; further ones wait in the kernel's queue.
const MAX_CLIENTS: usize = 64;

/// A client that does not read its answer within this time is disconnected.
const READING: Duration = Duration::from_secs(5);

/// Delay before the next attempt after a client could not be accepted, most likely for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Clients of one socket, each served by a task of its own. All tasks end when this value is dropped.
#[derive(Default)]
pub(crate) struct Clients {
    tasks: JoinSet<()>,
    room: Arc<Notify>,
}

/// A client's place among those that are served.
#[derive(Default)]
pub(crate) struct Place {
    room: Arc<Notify>,
}

/// An event of a socket's clients.
pub(crate) enum Event {
    /// A client has connected and is to be served.
    Came(UnixStream, Place),
    /// A client that was served has disconnected; an error if its task has panicked.
    Gone(Result<(), JoinError>),
}

impl Clients {
    /// Waits for the next event at `socket`. If all places are taken and a client connects, the client that has been idle for the longest
    /// time loses its place. Cancel safe.
    pub(crate) async fn next(&mut self, socket: &Socket) -> Event {
        let served = self.tasks.len();
        loop {
            tokio::select! {
                // One client more than there are places is accepted: otherwise nothing would show that a client wants a place.
                accepted = socket.accept(), if served <= MAX_CLIENTS => match accepted {
                    Ok(client) => {
                        if served >= MAX_CLIENTS {
                            self.room.notify_one();
                        }
                        return Event::Came(client, Place { room: Arc::clone(&self.room) });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a client");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(gone) = self.tasks.join_next() => return Event::Gone(gone),
            }
        }
    }

    /// Serves a client in a task of its own.
    pub(crate) fn serve(&mut self, task: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.tasks.spawn(contained(async move {
            if let Err(error) = task.await {
                tracing::debug!(%error, "client of a socket");
            }
        }));
    }

    /// Ends the tasks of all clients.
    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Place {
    /// Waits for the client's next request; `None` if the client has to make room before it has sent one.
    pub(crate) async fn receive<T>(&self, client: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // A request that has already arrived takes precedence.
            biased;
            received = client => Some(received),
            // `Notify` wakes the task that has waited here for the longest time.
            () = self.room.notified() => None,
        }
    }

    /// Sends an answer to the client.
    pub(crate) async fn answer(&self, client: &mut (impl AsyncWrite + Unpin), answer: &[u8]) -> io::Result<()> {
        timeout(READING, client.write_all(answer)).await?
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Answers an octet with an octet.
    async fn echo(mut client: UnixStream, place: Place) -> io::Result<()> {
        while let Some(octet) = place.receive(client.read_u8()).await {
            place.answer(&mut client, &[octet?]).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn clients_that_say_nothing_keep_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let socket = Socket::listen(&path).await.unwrap();
        let serving = tokio::spawn(async move {
            let mut clients = Clients::default();
            loop {
                if let Event::Came(client, place) = clients.next(&socket).await {
                    clients.serve(echo(client, place));
                }
            }
        });
        let mut silent = Vec::new();
        for _ in 0..2 * MAX_CLIENTS {
            silent.push(UnixStream::connect(&path).await.unwrap());
        }
        let asked = async {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client.write_u8(7).await.unwrap();
            client.read_u8().await.unwrap()
        };
        assert_eq!(timeout(Duration::from_secs(30), asked).await.expect("somebody has made room"), 7);
        let first = timeout(Duration::from_secs(30), silent[0].read(&mut [0])).await.expect("it was hung up on");
        assert_eq!(first.unwrap(), 0);
        let last = silent.last_mut().unwrap();
        last.write_u8(8).await.unwrap();
        let answer = timeout(Duration::from_secs(30), last.read_u8()).await.expect("it has its place");
        assert_eq!(answer.unwrap(), 8);
        serving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_hung_up_on() {
        let (mut client, _deaf) = UnixStream::pair().unwrap();
        let answer = vec![0; 16 << 20];
        let failed = Place::default().answer(&mut client, &answer).await.expect_err("nobody reads");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
    }
}

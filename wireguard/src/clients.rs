//! The clients of one Unix socket: some are served at once, and whoever says nothing makes room for whoever comes.

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

/// Most clients that are served at a time; further ones wait in the kernel's queue.
const MAX_CLIENTS: usize = 64;

/// A client that does not read its answer for so long is hung up on.
const READING: Duration = Duration::from_secs(5);

/// Before the next attempt where a client could not be accepted, for want of descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Clients of one socket, each with a task that ends with it.
#[derive(Default)]
pub(crate) struct Clients {
    tasks: JoinSet<()>,
    room: Arc<Notify>,
}

/// One client's place.
#[derive(Default)]
pub(crate) struct Place {
    room: Arc<Notify>,
}

/// What a socket's clients do.
pub(crate) enum Event {
    /// One has come and is to be served.
    Came(UnixStream, Place),
    /// One that was served has gone; an error if its task has panicked.
    Gone(Result<(), JoinError>),
}

impl Clients {
    /// What happens next at `socket`. Where all places are taken and a client comes, the one that has been silent for longest loses its
    /// place. Cancel safe.
    pub(crate) async fn next(&mut self, socket: &Socket) -> Event {
        let served = self.tasks.len();
        loop {
            tokio::select! {
                // One more than there are places: without it nobody knows that a client wants one.
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

    /// Serves a client.
    pub(crate) fn serve(&mut self, task: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.tasks.spawn(contained(async move {
            if let Err(error) = task.await {
                tracing::debug!(%error, "client of a socket");
            }
        }));
    }

    /// Ends all.
    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Place {
    /// What the client says next; `None` if it has to make room before it has said anything.
    pub(crate) async fn heard<T>(&self, client: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What it has sent already counts.
            biased;
            said = client => Some(said),
            // Of those who wait here, the first is told first.
            () = self.room.notified() => None,
        }
    }

    /// Gives the client its answer.
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
        while let Some(octet) = place.heard(client.read_u8()).await {
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

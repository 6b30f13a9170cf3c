//! Requests and dumps through one NETLINK_ROUTE socket.
//!
//! The kernel carries out a request within the system call that sends it, and the call waits while another process holds the kernel's lock
//! on the network configuration. Therefore the socket has a thread of its own, and every request a time limit: a kernel that does not
//! answer delays only what needs the answer. After a timeout the connection is replaced, because it may be stuck.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use futures::{Stream, StreamExt};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;
use rtnetlink::Handle;
use tokio::time::timeout;

/// How many times a dump is tried while changes make it inconsistent. The last one is used as it is; the watch is notified of the changes
/// anyway.
const DUMP_TRIES: usize = 4;
/// The time limit of a change or a query.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time limit for the next part of a dump.
const DUMP_PATIENCE: Duration = Duration::from_secs(5);
/// The number of threads that may be stuck in the kernel before no further connection is opened.
const MAX_STUCK: usize = 4;

/// The shared socket. It is cheap to clone; requests of all clones are pipelined.
#[derive(Clone)]
pub(super) struct Netlink(Arc<Shared>);

struct Shared {
    /// It is replaced after a request that was not answered.
    connection: Mutex<Connection>,
    port: Arc<OwnPort>,
    open: fn() -> io::Result<(Handle, u32)>,
}

struct Connection {
    handle: Handle,
    /// Incremented with each replacement, so that many requests that fail together replace the connection once.
    generation: u64,
}

/// The netlink port of weft's own requests. The kernel includes it in the notification of a change.
#[derive(Debug, Default)]
pub(super) struct OwnPort(AtomicU32);

impl OwnPort {
    pub fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Netlink {
    /// Opens a socket in the network namespace of this thread. The kernel applies the filters in dump requests (NETLINK_GET_STRICT_CHK).
    pub fn open() -> anyhow::Result<Self> {
        Self::open_with(connect)
    }

    fn open_with(open: fn() -> io::Result<(Handle, u32)>) -> anyhow::Result<Self> {
        let (handle, port) = open().context("opening a netlink socket")?;
        let shared = Shared {
            connection: Mutex::new(Connection { handle, generation: 0 }),
            port: Arc::new(OwnPort(AtomicU32::new(port))),
            open,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Returns the port of the requests, which is updated when the connection is replaced.
    pub fn port(&self) -> Arc<OwnPort> {
        Arc::clone(&self.0.port)
    }

    /// Sends one change, and waits for the acknowledgement. If the kernel refuses the change, this is the error.
    pub async fn change(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let (mut replies, generation) = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        match self.within(PATIENCE, generation, replies.next()).await? {
            // After an acknowledgement the stream ends without a message.
            None => Ok(()),
            Some(reply) => match reply.payload {
                NetlinkPayload::Error(error) => Err(error.to_io()),
                other => Err(io::Error::other(format!("the kernel answers a change with {other:?}"))),
            },
        }
    }

    /// Sends a query with one answer.
    pub async fn get(&self, request: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        let (mut replies, generation) = self.send(request, NLM_F_REQUEST)?;
        match self.within(PATIENCE, generation, replies.next()).await?.map(|reply| reply.payload) {
            Some(NetlinkPayload::InnerMessage(message)) => Ok(message),
            Some(NetlinkPayload::Error(error)) => Err(error.to_io()),
            other => Err(io::Error::other(format!("the kernel answers a question with {other:?}"))),
        }
    }

    /// Sends a dump request, and returns all that matches it, in the kernel's order.
    pub async fn dump(&self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut tries = 1;
        loop {
            let (found, whole) = self.dump_once(request.clone()).await?;
            if whole || tries == DUMP_TRIES {
                return Ok(found);
            }
            tries += 1;
        }
    }

    /// Returns the dump, and whether nothing changed meanwhile.
    async fn dump_once(&self, request: RouteNetlinkMessage) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let (mut replies, generation) = self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut found = Vec::new();
        let mut whole = true;
        while let Some(reply) = self.within(DUMP_PATIENCE, generation, replies.next()).await? {
            whole &= reply.header.flags & NLM_F_DUMP_INTR == 0;
            match reply.payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::Overrun(_) => whole = false,
                _ => {}
            }
        }
        Ok((found, whole))
    }

    /// Sends a request over the present connection. Returns the replies and the generation of the connection.
    fn send(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<(impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + use<>, u64)> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        let (mut handle, generation) = {
            let connection = self.connection();
            (connection.handle.clone(), connection.generation)
        };
        match handle.request(request) {
            Ok(replies) => Ok((replies, generation)),
            Err(_closed) => {
                self.replace(generation);
                Err(io::Error::new(io::ErrorKind::BrokenPipe, "the netlink connection has ended"))
            }
        }
    }

    /// Waits for an answer, at most for the time limit.
    async fn within<T>(&self, patience: Duration, generation: u64, answer: impl Future<Output = T>) -> io::Result<T> {
        match timeout(patience, answer).await {
            Ok(answer) => Ok(answer),
            Err(_elapsed) => {
                self.replace(generation);
                let text = format!("the kernel has not answered within {} s", patience.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// Opens another connection to replace the one of this generation. If this fails, the old one stays.
    fn replace(&self, generation: u64) {
        let mut connection = self.connection();
        if connection.generation != generation {
            return;
        }
        match (self.0.open)() {
            Ok((handle, port)) => {
                *connection = Connection { handle, generation: generation + 1 };
                self.0.port.0.store(port, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "no new netlink connection"),
        }
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic of another holder leaves a valid value.
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection in the network namespace of this thread. A thread of its own serves it, and ends with the last handle. Also returns
/// the port of the socket.
fn connect() -> io::Result<(Handle, u32)> {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    /// Counts a thread while it runs.
    struct Place;
    impl Drop for Place {
        fn drop(&mut self) {
            THREADS.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let before = THREADS.fetch_add(1, Ordering::Relaxed);
    let place = Place;
    // In tests many threads have a kernel each; a daemon has one connection, and those that are stuck.
    if !cfg!(test) && before > MAX_STUCK {
        return Err(io::Error::other(format!("{before} connections to the kernel are stuck")));
    }
    let (sender, opened) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new().name("netlink".to_owned()).spawn(move || {
        let _place = place;
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(sender.send(Err(error))),
        };
        runtime.block_on(async {
            match open_socket() {
                Ok((connection, handle, port)) => {
                    // The receiver is gone only if the process ends.
                    let _ = sender.send(Ok((handle, port)));
                    connection.await;
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        });
    })?;
    opened.recv().unwrap_or_else(|_| Err(io::Error::other("the netlink thread has ended")))
}

/// Returns the connection to be served, the handle to send requests, and the port.
fn open_socket() -> io::Result<(impl Future<Output = ()>, Handle, u32)> {
    let (mut connection, handle, _) = rtnetlink::new_connection_with_strict_check()?;
    let address = connection.socket_mut().socket_mut().bind_auto()?;
    Ok((connection, handle, address.port_number()))
}

/// Takes an error of this number as success: the change had been made already.
pub(super) fn unless(result: io::Result<()>, done_already: i32) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(done_already) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::LinkMessage;

    use super::*;

    fn links() -> RouteNetlinkMessage {
        RouteNetlinkMessage::GetLink(LinkMessage::default())
    }

    /// The first connection is one that nobody serves, the others are the kernel's.
    fn first_stuck() -> io::Result<(Handle, u32)> {
        thread_local! {
            static COUNT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
        }
        if COUNT.replace(COUNT.get() + 1) > 0 {
            return connect();
        }
        let (connection, handle, port) = open_socket()?;
        // As if it were held up in a system call for as long as the test lasts.
        std::mem::forget(connection);
        Ok((handle, port))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_ends_and_the_next_one_has_a_new_connection() {
        let netlink = Netlink::open_with(first_stuck).unwrap();
        let port = netlink.port();
        let before = port.number();
        let (one, other, third) = tokio::join!(
            netlink.dump(links()),
            netlink.get(links()),
            netlink.change(RouteNetlinkMessage::DelLink(LinkMessage::default()), 0)
        );
        for error in [one.unwrap_err(), other.unwrap_err(), third.unwrap_err()] {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(error.to_string(), "the kernel has not answered within 5 s");
        }
        assert_ne!(port.number(), before, "changes of our own are known by the new port");
        assert_eq!(netlink.connection().generation, 1, "three failed together, one replaces it");
        // The kernel answers in real time.
        tokio::time::resume();
        assert!(!netlink.dump(links()).await.unwrap().is_empty());
    }
}

//! Limits how many clients are served at once, and disconnects a client that keeps the server waiting if a new one needs its place.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tracing::debug;

/// Clients that are served at once; others wait in the listener's queue. Each holds at most one part of an answer.
const MAX_CLIENTS: usize = 64;
/// How long a client that has to leave may take, before another one has to.
const PAUSE: Duration = Duration::from_millis(50);

/// What the server waits for. Clients that it waits for in the first way are disconnected first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// The client sends its request.
    Question,
    /// The client reads its answer.
    Reading,
}

impl Awaited {
    /// How long the client may take.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(5)
    }

    /// How long the client may take while others wait for a place.
    fn patience_when_full(self) -> Duration {
        match self {
            // A client sends its request right after it connects.
            Self::Question => Duration::from_millis(200),
            Self::Reading => Duration::from_secs(1),
        }
    }
}

/// The places for clients.
#[derive(Debug, Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    waits: Arc<Waits>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_CLIENTS)), waits: Arc::default() }
    }

    /// Takes a place for a client. If all are taken, disconnects a client that the server waits for, or else waits until one has its
    /// answer.
    pub(super) async fn take(&self) -> Place {
        let mut pause = Duration::ZERO;
        loop {
            match timeout(pause, Arc::clone(&self.free).acquire_owned()).await {
                Ok(permit) => {
                    let permit = permit.expect("nobody closes the semaphore");
                    return Place { _permit: permit, waits: Arc::clone(&self.waits) };
                }
                Err(_elapsed) => self.waits.leave_one(Instant::now()),
            }
            pause = PAUSE;
        }
    }

    /// Waits until no client is left.
    pub(super) async fn empty(&self) {
        // Others cannot take a place meanwhile.
        let _ = self.free.acquire_many(MAX_CLIENTS as u32).await;
    }
}

/// The place of one client.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    waits: Arc<Waits>,
}

impl Place {
    /// Waits for the client. Fails if the client takes too long, or has to leave for another one.
    pub(super) async fn wait<T>(&self, awaited: Awaited, client: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let (wait, left) = self.waits.begin(awaited);
        let outcome = tokio::select! {
            // What the client has already sent counts.
            biased;
            outcome = timeout(awaited.patience(), client) => outcome?,
            // The sender stays in the list until then.
            _ = left => Err(io::Error::new(io::ErrorKind::TimedOut, "it makes room for another client")),
        };
        drop(wait);
        outcome
    }
}

/// The clients that the server waits for. Their tasks and the task that accepts share it; nothing is awaited while it is locked.
#[derive(Debug, Default)]
struct Waits {
    /// The client to disconnect first comes first.
    list: Mutex<BTreeMap<Key, oneshot::Sender<()>>>,
    next: AtomicU64,
}

type Key = (Awaited, Instant, u64);

impl Waits {
    fn begin(&self, awaited: Awaited) -> (Wait<'_>, oneshot::Receiver<()>) {
        let (leave, left) = oneshot::channel();
        let key = (awaited, Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        self.list().insert(key, leave);
        (Wait { waits: self, key }, left)
    }

    /// Disconnects the first client that the server has waited for long enough, if there is one.
    fn leave_one(&self, now: Instant) {
        let mut list = self.list();
        let long = |(awaited, since, _): &Key| now.saturating_duration_since(*since) >= awaited.patience_when_full();
        let Some(key) = list.keys().copied().find(long) else { return };
        if let Some(leave) = list.remove(&key) {
            debug!(awaited = ?key.0, "a control client makes room");
            // The client may have finished just now.
            let _ = leave.send(());
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, oneshot::Sender<()>>> {
        // A thread that panicked while it held the lock has left complete values.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry in [`Waits`]: the server waits for the client until this is dropped.
struct Wait<'a> {
    waits: &'a Waits,
    key: Key,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.list().remove(&self.key);
    }
}

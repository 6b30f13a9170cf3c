//! Background tasks of the daemon, for queries whose results only reports need, so that the event loop does not wait for them.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One background task at a time, started at intervals. It is aborted when this is dropped.
#[derive(Debug)]
pub(super) struct Beside<T> {
    begun: Option<Instant>,
    task: Option<JoinHandle<Option<T>>>,
    /// Closed when the task ends.
    ended: Option<watch::Receiver<()>>,
}

impl<T: Send + 'static> Beside<T> {
    pub fn new() -> Self {
        Self { begun: None, task: None, ended: None }
    }

    /// Whether no task is running, and the last one was started at least `interval` ago.
    pub fn is_due(&self, interval: Duration, now: Instant) -> bool {
        self.task.is_none() && self.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= interval)
    }

    /// Makes the next task due at once.
    pub fn expire(&mut self) {
        self.begun = None;
    }

    /// Starts `work`, which is abandoned after `limit`.
    pub fn begin(&mut self, work: impl Future<Output = T> + Send + 'static, limit: Duration, now: Instant) {
        debug_assert!(self.task.as_ref().is_none_or(JoinHandle::is_finished), "one task at a time");
        self.begun = Some(now);
        let (running, ended) = watch::channel(());
        self.ended = Some(ended);
        self.task = Some(tokio::spawn(async move {
            let outcome = timeout(limit, work).await.ok();
            drop(running);
            outcome
        }));
    }

    /// Completes when the task that runs now has ended; at once if there is none. Does not need this value any more.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<T> {
        let ended = self.ended.clone();
        async move {
            if let Some(mut ended) = ended {
                // The only change is that the sender is dropped.
                let _ = ended.changed().await;
            }
        }
    }

    /// Returns the result of the task, once, if it has ended.
    pub async fn outcome(&mut self) -> Option<T> {
        let has_ended = self.ended.as_ref()?.has_changed().is_err();
        let task = self.task.take_if(|_| has_ended)?;
        // It has nothing left to do but to return.
        task.await.ok().flatten()
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn work_is_begun_at_intervals_and_waited_for_no_longer_than_somebody_wants() {
        let mut beside = Beside::new();
        let now = Instant::now();
        assert!(beside.is_due(SECOND, now));
        beside.begin(async { 7 }, SECOND, now);
        assert!(!beside.is_due(SECOND, now + 2 * SECOND), "it is under way");
        beside.ended().await;
        assert_eq!((beside.outcome().await, beside.outcome().await), (Some(7), None));
        assert!(!beside.is_due(SECOND, now) && beside.is_due(SECOND, now + SECOND));
        beside.expire();
        assert!(beside.is_due(SECOND, now));
        beside.begin(std::future::pending(), 3 * SECOND, now);
        let ended = beside.ended();
        assert_eq!(beside.outcome().await, None);
        assert!(timeout(SECOND, beside.ended()).await.is_err() && beside.outcome().await.is_none());
        assert!(!beside.is_due(Duration::ZERO, now), "it is still under way");
        ended.await;
        assert_eq!(beside.outcome().await, None);
        assert!(beside.is_due(Duration::ZERO, now), "it was given up");
        Beside::<u8>::new().ended().await;
    }
}

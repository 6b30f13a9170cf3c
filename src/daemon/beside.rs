//! Background tasks of the daemon, for queries whose results only reports need, so that the event loop does not wait for them.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One background task at a time, started at intervals. It is aborted when this is dropped.
#[derive(Debug)]
pub(super) struct Beside<T> {
    begun: Option<Instant>,
    task: Option<JoinHandle<Option<T>>>,
}

impl<T: Send + 'static> Beside<T> {
    pub fn new() -> Self {
        Self { begun: None, task: None }
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
        self.begun = Some(now);
        self.task = Some(tokio::spawn(async move { timeout(limit, work).await.ok() }));
    }

    /// Returns the result of the task, if it has ended or ends within `patience`.
    pub async fn outcome(&mut self, patience: Duration) -> Option<T> {
        let task = self.task.as_mut()?;
        if patience.is_zero() && !task.is_finished() {
            return None;
        }
        let ended = timeout(patience, task).await.ok()?;
        self.task = None;
        ended.ok().flatten()
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
        assert_eq!(beside.outcome(SECOND).await, Some(7));
        assert!(!beside.is_due(SECOND, now) && beside.is_due(SECOND, now + SECOND));
        beside.expire();
        assert!(beside.is_due(SECOND, now));
        beside.begin(std::future::pending(), 3 * SECOND, now);
        assert_eq!(beside.outcome(Duration::ZERO).await, None);
        assert_eq!(beside.outcome(SECOND).await, None);
        assert!(!beside.is_due(Duration::ZERO, now), "it is still under way");
        assert_eq!(beside.outcome(3 * SECOND).await, None);
        assert!(beside.is_due(Duration::ZERO, now), "it was given up");
    }
}

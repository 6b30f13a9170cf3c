//! Keep-alive notifications for the service manager, which ends a daemon whose event loop is stuck, and starts another (`WatchdogSec=` of
//! systemd.service(5), sd_watchdog_enabled(3)).
//!
//! Only the event loop itself sends them: a notification from another task would not show that the loop runs.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep_until};

use super::service_manager::notify;

/// The number of notifications within the time that the service manager waits for one, so that one may be late or get lost.
const SIGNS: u32 = 3;

/// When the next notification is due.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// The time between two notifications; `None` if the service manager expects none.
    pause: Option<Duration>,
    due: Instant,
}

impl Watchdog {
    /// Follows the watchdog settings of the service manager that started this process.
    pub(super) fn from_environment() -> Self {
        Self::new(sd_notify::watchdog_enabled())
    }

    /// Sends notifications to a service manager that waits for `patience`; `None` if it expects none.
    fn new(patience: Option<Duration>) -> Self {
        let pause = patience.map(|patience| patience / SIGNS).filter(|pause| !pause.is_zero());
        Self { pause, due: Instant::now() + pause.unwrap_or_default() }
    }

    /// Waits until the next notification is due. Cancel safe.
    pub(super) async fn due(&self) {
        match self.pause {
            Some(_) => sleep_until(self.due).await,
            None => std::future::pending().await,
        }
    }

    /// Sends a notification.
    pub(super) fn give(&mut self) {
        if let Some(pause) = self.pause {
            notify(NotifyState::Watchdog);
            self.due = Instant::now() + pause;
        }
    }

    /// Sends notifications for as long as the future is polled: for work that has its own time limits.
    pub(super) async fn give_all(mut self) -> Infallible {
        loop {
            self.give();
            self.due().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_signs_are_due_in_the_time_that_the_service_manager_waits() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(30)));
        for seconds in [10, 20, 30] {
            watchdog.due().await;
            assert_eq!(start.elapsed().as_secs(), seconds);
            watchdog.give();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_due_where_nobody_waits() {
        for patience in [None, Some(Duration::ZERO)] {
            let watchdog = Watchdog::new(patience);
            tokio::time::timeout(Duration::from_secs(3600), watchdog.due()).await.unwrap_err();
        }
    }
}

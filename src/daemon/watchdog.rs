//! Signs of life for the service manager: it ends a daemon whose loop does not turn any more, and starts another (`WatchdogSec=` of
//! systemd.service(5), sd_watchdog_enabled(3)).
//!
//! Who gives them is the loop itself, and nobody beside it: a sign from another task would say nothing of the loop.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep_until};

use super::service_manager::notify;

/// Signs in the time that the service manager waits for one: one may come late, or get lost.
const SIGNS: u32 = 3;

/// When the next sign of life is due.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Between two signs; `None` if nobody waits for them.
    pause: Option<Duration>,
    due: Instant,
}

impl Watchdog {
    /// For the service manager that has started this process, if it watches over it.
    pub(super) fn from_environment() -> Self {
        Self::new(sd_notify::watchdog_enabled())
    }

    /// For one that waits for so long.
    fn new(patience: Option<Duration>) -> Self {
        let pause = patience.map(|patience| patience / SIGNS).filter(|pause| !pause.is_zero());
        Self { pause, due: Instant::now() + pause.unwrap_or_default() }
    }

    /// Waits until the next sign is due. Nothing is lost if this is dropped.
    pub(super) async fn due(&self) {
        match self.pause {
            Some(_) => sleep_until(self.due).await,
            None => std::future::pending().await,
        }
    }

    /// Gives a sign.
    pub(super) fn give(&mut self) {
        if let Some(pause) = self.pause {
            notify(NotifyState::Watchdog);
            self.due = Instant::now() + pause;
        }
    }

    /// Gives signs for as long as it is waited for: for work that has time limits of its own.
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

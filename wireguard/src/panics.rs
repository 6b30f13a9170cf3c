//! Detects stray panics: those in tasks that the data path starts and nobody joins. Without this, a tunnel would stay silent for ever
//! without any report.
//!
//! Our own tasks run within [`contained`]: the task that joins them learns of a panic and handles it.

use std::panic;
use std::sync::LazyLock;

use tokio::sync::watch;

tokio::task_local! {
    static CONTAINED: ();
}

/// Number of stray panics so far.
static STRAY: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Counts stray panics from now on. The panic hook that was set before still runs.
pub fn watch() -> Stray {
    let seen = STRAY.subscribe();
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            if CONTAINED.try_with(|()| ()).is_err() && tokio::task::try_id().is_some() {
                STRAY.send_modify(|count| *count += 1);
            }
        }));
    });
    Stray(seen)
}

/// Runs a task whose panic is handled by the task that joins it, and is not counted as a stray one.
pub async fn contained<F: Future>(task: F) -> F::Output {
    CONTAINED.scope((), task).await
}

/// Reports stray panics since it was made.
pub struct Stray(watch::Receiver<u64>);

impl Stray {
    /// Waits until a stray panic has happened.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            unreachable!("the sender is static");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_counts_unless_the_task_is_contained() {
        let mut stray = watch();
        let ended = tokio::spawn(contained(async { panic!("contained") })).await;
        assert!(ended.unwrap_err().is_panic());
        assert!(!stray.0.has_changed().unwrap());
        tokio::spawn(async { panic!("stray") });
        tokio::time::timeout(std::time::Duration::from_secs(10), stray.next()).await.unwrap();
    }
}

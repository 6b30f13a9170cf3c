//! Reads files while the daemon runs, on a separate thread: they may be on a file server that does not answer, so that reading hangs.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How long a reload may take to read all its files.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that reads files, of which there is at most one.
#[derive(Debug)]
pub(super) struct Loading {
    last: Option<JoinHandle<()>>,
    patience: Duration,
}

impl Default for Loading {
    fn default() -> Self {
        Self { last: None, patience: PATIENCE }
    }
}

impl Loading {
    /// Runs `read` on a separate thread, and returns its result.
    ///
    /// # Errors
    /// The error of `read`, or that it takes too long. In that case it continues in the background, and no other read starts until it has
    /// ended.
    pub(super) async fn load<T: Send + 'static>(
        &mut self,
        read: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        if self.last.as_ref().is_some_and(|thread| !thread.is_finished()) {
            bail!("its files are still being read for an earlier reload: the file system they are on does not answer");
        }
        let (sender, receiver) = oneshot::channel();
        // If the result comes too late, the receiver is gone.
        self.last = Some(spawn_blocking(move || drop(sender.send(read()))));
        match timeout(self.patience, receiver).await {
            Ok(outcome) => {
                // The thread has nothing more to do.
                self.last = None;
                outcome.context("the thread that reads has failed")?
            }
            Err(_elapsed) => {
                let limit = self.patience;
                bail!("its files were not read within {limit:?}: the file system they are on does not answer")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_left_alone_and_read_again_when_it_has_ended() {
        let mut loading = Loading::default();
        assert_eq!(loading.load(|| Ok(1)).await.unwrap(), 1);
        let (let_go, hanging) = mpsc::channel::<()>();
        loading.patience = Duration::from_millis(10);
        let error = loading.load(move || Ok(hanging.recv().is_ok())).await.unwrap_err().to_string();
        assert!(error.contains("not read within 10ms"), "{error}");
        let error = loading.load(|| Ok(2)).await.unwrap_err().to_string();
        assert!(error.contains("still being read"), "{error}");
        drop(let_go);
        loading.patience = PATIENCE;
        loading.last.take().unwrap().await.unwrap();
        assert_eq!(loading.load(|| Ok(3)).await.unwrap(), 3);
    }
}

//! How the daemon ends: for a restart, or for good.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Ended;
use super::core::Daemon;
use super::restart_note::Note;
use super::service_manager::{AfterExit, after_exit};
use crate::control::Part;
use crate::routing::Driver;
use crate::state_file::Written;

/// How long the neighbours may take to acknowledge a restart; after that the daemon ends without acknowledgements.
const RESTART_PATIENCE: Duration = Duration::from_secs(8);

/// How long the neighbours may take to route around this router and to acknowledge the flushed LSAs. The engine needs ten seconds at most.
const WITHDRAWAL_PATIENCE: Duration = Duration::from_secs(12);

/// The signals that end the daemon.
pub(super) struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

/// How the daemon ends.
pub(super) enum End {
    /// Tunnels and routes stay in place, and neighbours wait for the next daemon (graceful restart).
    Restart,
    /// Tunnels and routes stay in place, and neighbours route around this router.
    Stop,
    /// Everything is removed, and then the request of `weft down` is answered.
    Down(oneshot::Sender<Result<Part, String>>),
}

impl Ending {
    pub(super) fn new() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for a signal, and determines whether another daemon follows.
    pub(super) async fn asked_for(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => match after_exit().await {
                AfterExit::Restart => End::Restart,
                AfterExit::Stop => End::Stop,
            },
            // Ctrl-C: no other daemon follows.
            _ = self.interrupt.recv() => End::Stop,
        }
    }
}

/// Makes neighbours route around this router, and flushes its LSAs.
pub(super) async fn withdraw(driver: &Driver) -> anyhow::Result<()> {
    timeout(WITHDRAWAL_PATIENCE, driver.withdraw()).await.context("the neighbours have not acknowledged it in time")?
}

impl Daemon {
    pub(super) async fn end(mut self, end: End) -> anyhow::Result<Ended> {
        match end {
            End::Restart => {
                info!("stopping; tunnels and routes stay");
                self.leave_for_restart().await?;
                Ok(Ended::Stopped)
            }
            End::Stop => {
                info!("stopping for good; traffic is led around this router, tunnels and routes stay");
                self.notes.take_restart();
                withdraw(&self.driver).await.context("leaving the network")?;
                Ok(Ended::Stopped)
            }
            End::Down(answer) => {
                info!("stopping; everything is removed");
                let result = self.down().await;
                let reply = result.as_ref().map(|left| match left.is_empty() {
                    true => Part::null(),
                    false => Part::whole(serde_json::Value::from(left.clone()).to_string()),
                });
                // If the client has disconnected, the log has the result.
                let _ = answer.send(reply.map_err(|error| format!("{error:#}")));
                result.map(|_| Ended::Left)
            }
        }
    }

    /// Ends so that the next daemon resumes from here without the neighbours losing their adjacencies.
    async fn leave_for_restart(&mut self) -> anyhow::Result<()> {
        if let Some(grace_period) = self.local.mesh.ospf.graceful_restart.restarter {
            let end = SystemTime::now() + grace_period;
            // A restart is announced only if the next daemon can know of it.
            if self.notes.leave_restart(Note::running(end)) == Written::Yes {
                let prepared = timeout(RESTART_PATIENCE, self.driver.prepare_restart(grace_period)).await;
                let boot = prepared.context("the neighbours have not acknowledged the restart in time")??;
                // If this write fails, the note from before remains, and the next daemon announces the restart itself.
                let _: Written = self.notes.leave_restart(Note::planned(end, boot));
            }
        }
        Ok(())
    }

    /// Removes everything; returns a description of what could not be undone.
    async fn down(&mut self) -> anyhow::Result<Vec<String>> {
        self.notes.take_restart();
        if let Err(error) = withdraw(&self.driver).await {
            warn!(
                error = format!("{error:#}"),
                "LSAs not flushed, neighbours drop this router after the dead interval"
            );
        }
        self.remove_everything().await
    }
}

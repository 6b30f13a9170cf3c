//! Records SIGINT, SIGTERM and SIGHUP while a demo runs, so that it can stop and clean up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether a signal has asked this program to end.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP do not end this program, but are recorded.
    pub fn listen() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().context("listening for signals")?;
        let guard = runtime.enter();
        let listen = |kind| signal(kind).context("listening for signals");
        let mut signals =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
        drop(guard);
        let interrupt = Self(Arc::default());
        let noted = interrupt.clone();
        thread::spawn(move || {
            let (int, term, hup) = (&mut signals.0, &mut signals.1, &mut signals.2);
            runtime.block_on(async {
                tokio::select! { () = came(int) => {}, () = came(term) => {}, () = came(hup) => {} }
            });
            noted.0.store(true, Ordering::Relaxed);
        });
        Ok(interrupt)
    }

    /// Fails if a signal has arrived.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}

async fn came(signal: &mut Signal) {
    signal.recv().await;
}

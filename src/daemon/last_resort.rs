//! Ends a daemon that does not end by itself.
//!
//! The event loop reacts to SIGTERM and SIGINT at once, whatever it waits for. If it is blocked where it cannot be interrupted, for
//! instance in a system call, a separate thread ends the process. Tunnels and routes stay, as whenever the daemon stops.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// How long an orderly end may take: the query to the service manager, the withdrawal or the announcement of a restart, the answers to
/// clients, and a margin. `weft down` waits for the WireGuard engine and the kernel, and can take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the thread that ends the process if it still runs some time after a signal.
pub(super) fn arm() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let wait = async {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::time::sleep(PATIENCE).await;
        tracing::error!(seconds = PATIENCE.as_secs(), "the daemon does not end by itself, and is ended");
        std::process::exit(1);
    };
    let thread = thread::Builder::new().name("last-resort".to_owned());
    thread.spawn(move || runtime.block_on(wait)).context("starting a thread")?;
    Ok(())
}

//! The WireGuard operations of the reconcile loop, made of the engine process and the devices of both back-ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{EngineProcess, device, watchdog};
use crate::net::IfName;
use crate::reconcile::state::ObservedDevice;
use crate::reconcile::tunnels::{DeviceChange, Tunnels};

/// Configures kernel and userspace devices. The caller creates the links of kernel devices.
pub struct WireGuard {
    /// Shared with its watchdog.
    engine: Arc<EngineProcess>,
}

impl WireGuard {
    /// Nothing is started before the first userspace interface is added. Then `PROGRAM engine` is started, where PROGRAM is weft itself.
    pub fn new(run_dir: &Path, program: PathBuf) -> Self {
        Self { engine: Arc::new(EngineProcess::new(run_dir, program)) }
    }

    /// The engine behind the userspace interfaces.
    pub fn engine(&self) -> &EngineProcess {
        &self.engine
    }

    /// Starts a task that watches the engine, and replaces it if it does not answer any more. Ends when the task is aborted.
    pub fn watch_engine(&self) -> JoinHandle<()> {
        tokio::spawn(watchdog::watch(Arc::clone(&self.engine)))
    }
}

impl Tunnels for WireGuard {
    async fn add_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        self.engine.add(interface).await
    }

    async fn remove_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        self.engine.remove(interface).await
    }

    async fn rename_userspace(&self, from: &IfName, to: &IfName) -> anyhow::Result<()> {
        self.engine.rename(from, to).await
    }

    async fn configure(&self, interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
        device::configure(interface, change).await
    }

    async fn is_served(&self, interface: &IfName) -> anyhow::Result<bool> {
        self.engine.ensure_answers()?;
        device::is_served(interface).await
    }

    async fn observe(&self, interface: &IfName) -> anyhow::Result<Option<ObservedDevice>> {
        self.engine.ensure_answers()?;
        Ok(device::observe(interface).await?.map(|observation| observation.device))
    }
}

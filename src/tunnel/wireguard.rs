//! What the reconcile loop needs of WireGuard, made of the engine process and the devices of both back-ends.

use std::path::{Path, PathBuf};

use super::{EngineProcess, device};
use crate::mesh::IfName;
use crate::reconcile::state::Device;
use crate::reconcile::tunnels::{DeviceChange, Tunnels};

/// Drives kernel and userspace devices. Kernel links are made by the caller.
pub struct WireGuard {
    engine: EngineProcess,
}

impl WireGuard {
    /// Nothing is started before the first userspace interface is added; then it is `PROGRAM engine`, and PROGRAM is
    /// weft itself.
    pub fn new(run_dir: &Path, program: PathBuf) -> Self {
        Self { engine: EngineProcess::new(run_dir, program) }
    }

    /// The engine behind the userspace interfaces.
    pub fn engine(&self) -> &EngineProcess {
        &self.engine
    }
}

impl Tunnels for WireGuard {
    async fn add_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        self.engine.add(interface).await
    }

    async fn remove_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        self.engine.remove(interface).await
    }

    async fn configure(&self, interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
        device::configure(interface, change).await
    }

    async fn observe(&self, interface: &IfName) -> anyhow::Result<Option<Device>> {
        Ok(device::observe(interface).await?.map(|observation| observation.device))
    }
}

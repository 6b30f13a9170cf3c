//! `weft down` when no daemon runs: flushes this router's Grace-LSAs and its other LSAs from the link-state database, while its tunnels
//! and routes still forward packets.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ospf::{Announcement, Restarting};

use super::ending::withdraw;
use super::interfaces::link_states;
use super::local::Local;
use super::notes::Notes;
use super::restart_note::Note;
use super::router_ids::RouterIds;
use crate::kernel::Kernel;
use crate::routing::{Driver, InterfaceIds, Signing, engine_config};
use crate::tunnel::WireGuard;

/// Longest time to wait until the adjacencies are Full again: before that, nothing is originated, and nothing can be flushed.
const GRACE_PERIOD: Duration = Duration::from_secs(8);

/// Flushes this router's LSAs, if a daemon ran here and its neighbours may not know that it does not return.
///
/// # Errors
/// If the LSAs could not be flushed: neighbours then drop this router after the grace period or the dead interval.
pub(super) async fn withdraw_offline(run_dir: &Path, notes: &mut Notes, drivers: &WireGuard) -> anyhow::Result<()> {
    let Some(note) = notes.take_restart() else { return Ok(()) };
    let noted = notes.noted_options(run_dir).zip(notes.noted_mesh());
    let (options, mesh) =
        noted.with_context(|| format!("{} does not say how the daemon was started", run_dir.display()))?;
    // Uses the mesh file that the daemon had: the present one may have another router id, have errors, or be missing.
    let local = match notes.noted_mesh_file() {
        Some(text) => Local::of(&options, "the mesh file that was in force", text),
        None => Local::load(&options),
    };
    wireguard::stack::wipe();
    let mut local = local?;
    anyhow::ensure!(local.mesh.name == mesh, "the mesh file is of {} now, the daemon was of {mesh}", local.mesh.name);
    let (kernel, _watch) = Kernel::open(&mesh, run_dir)?;
    let observed = kernel.observe(drivers).await?;
    local.find_interfaces(&observed.foreign);
    let zero = SystemTime::now();
    let had_it = RouterIds::open(&options.state_dir).present().is_none_or(|id| id == local.site.loopback);
    anyhow::ensure!(had_it, "the mesh file gives this router another router id than the daemon had");
    let number = Notes::open(&options.run_dir, &options.state_dir).number_start(zero);
    let (announcement, boot) = match note {
        Note::Planned { boot, .. } => (Announcement::Made, number.max(boot)),
        Note::Running { .. } => (Announcement::Due(ospf::wire::RestartReason::Unknown), number),
    };
    let mut ids = InterfaceIds::default();
    let signing = Signing { keyring: &local.keyring, zero, boot };
    let config = engine_config(&local.mesh, &local.site, &Default::default(), &[].into(), &signing, &mut ids);
    let restarting = Some(Restarting { grace_period: GRACE_PERIOD, announcement });
    let seed = u64::from_ne_bytes(crate::sys::random()?);
    let (driver, _news) = Driver::start(ospf::Config { boot, restarting, ..config }, seed, None)?;
    for (interface, state) in link_states(&local, &observed, &mut ids) {
        driver.link(interface, state).await;
    }
    withdraw(&driver).await.context("taking this router out of the network")
}

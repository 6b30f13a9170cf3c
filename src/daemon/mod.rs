//! The daemon that `weft run` starts: one for one site of one mesh.
//!
//! [`core`] has the event loop and all I/O. Its decisions are made in parts that do no I/O: [`router`], the OSPF side; [`host`], the kernel
//! side; [`crate::rib`], the routing table between them; and [`desired`], which computes the desired state of the kernel from all of them.
//! Other modules convert data: [`local`] converts the mesh file into what must exist, [`interfaces`] converts netlink's view into link
//! states, and [`report`] converts the state of the daemon into the answers to clients.

mod backoff;
mod beside;
mod carriers;
mod checks;
mod core;
mod desired;
mod ending;
mod filter_report;
mod filters;
mod forward_check;
mod forwarding;
mod host;
mod host_memory;
mod inquiry;
mod instance_lock;
mod interfaces;
mod lan;
mod last_resort;
mod loading;
mod local;
mod looks;
mod lsdb;
mod memory;
mod notes;
mod offline_withdrawal;
mod overrides;
mod paths;
mod privileges;
mod protection;
mod removal;
mod renaming;
mod report;
mod restart_note;
mod retention;
mod router;
mod router_ids;
mod rows;
mod segment_report;
mod segments;
mod service_manager;
mod traffic;
mod tunnel_report;
mod undone;
mod unreachable;
mod unused_routes;
mod uplinks;
mod watchdog;
mod words;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Number of threads of the runtime: one for the engine, one for everything else.
const WORKER_THREADS: usize = 2;

/// The options of `weft run`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The mesh file.
    pub mesh_file: PathBuf,
    /// The file with this site's private key.
    pub key_file: PathBuf,
    /// The directory of run-time files.
    pub run_dir: PathBuf,
    /// The directory of files that are kept across a reboot.
    pub state_dir: PathBuf,
    /// The file with public keys that replace those of the mesh file.
    pub public_keys: Option<PathBuf>,
    /// The trace of the engine to write, if any.
    pub trace: Option<Trace>,
}

/// Where a trace of the engine is written, and its size.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The file that is written.
    pub path: PathBuf,
    /// Maximum size of the file, in octets.
    pub limit: u64,
}

/// How a daemon has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A signal ended it: tunnels and routes remain, and another daemon may take them over.
    Stopped,
    /// `weft down` ended it: everything that weft created has been removed.
    Left,
}

/// Runs the daemon until a signal or `weft down` ends it.
///
/// # Errors
/// If it cannot start: the mesh file is wrong, the key belongs to no site, a capability is missing, or another daemon uses the same
/// directory.
pub fn run(options: Options) -> anyhow::Result<Ended> {
    let local = local::Local::load(&options)?;
    // Reading the key has left copies of it in the stack frames of functions that have returned.
    wireguard::stack::wipe();
    privileges::drop_capabilities()?;
    memory::give_back_at_intervals().context("starting a thread")?;
    block_on(core::run(options, local))
}

/// Whether a daemon uses this run directory, even if it does not answer.
pub fn is_running(run_dir: &Path) -> bool {
    instance_lock::holder(run_dir).is_some()
}

/// Removes everything that a daemon of this run directory has created and left, and stops its engine. Must only be called when no daemon
/// runs. `mesh` is the name of the mesh, for a run directory that does not contain it. Returns sentences that describe what cannot be
/// undone.
///
/// # Errors
/// If something could not be removed. Another call tries again to remove the rest.
pub fn clean_up(run_dir: &Path, mesh: Option<String>) -> anyhow::Result<Vec<String>> {
    privileges::drop_capabilities()?;
    block_on(removal::clean_up(run_dir, mesh))
}

/// Runs `work` on a new runtime until it ends. Does not wait for threads that are blocked: they end with the process.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(WORKER_THREADS).enable_all().build().context("starting the runtime")?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

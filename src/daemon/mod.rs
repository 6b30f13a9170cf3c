//! `weft run`: one daemon for one site of one mesh.
//!
//! [`core`] is the loop, and all I/O. What it does is decided in parts that do none: [`router`], the OSPF side; [`host`], the kernel side;
//! [`crate::rib`], the routing table between them; [`desired`], which computes the desired state of the kernel from all of it. Everything
//! else here turns one kind of knowledge into another: the mesh file into what should exist ([`local`]), netlink's view into link states
//! ([`interfaces`]), all of it into what is shown ([`report`]).

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
mod privileges;
mod removal;
mod renaming;
mod report;
mod restart_note;
mod router;
mod router_ids;
mod rows;
mod segment_report;
mod segments;
mod service_manager;
mod settling;
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

/// Threads of the runtime: one for the engine, one for everything else.
const WORKER_THREADS: usize = 2;

/// What `weft run` was given.
#[derive(Debug, Clone)]
pub struct Options {
    /// The mesh file.
    pub mesh_file: PathBuf,
    /// The file with this site's private key.
    pub key_file: PathBuf,
    /// Directory of run-time files.
    pub run_dir: PathBuf,
    /// Directory of what outlives a reboot.
    pub state_dir: PathBuf,
    /// Public keys to use in place of the mesh file's.
    pub public_keys: Option<PathBuf>,
    /// Where the engine's doings are traced, if they are.
    pub trace: Option<Trace>,
}

/// A trace to be written.
#[derive(Debug, Clone)]
pub struct Trace {
    /// To this file.
    pub path: PathBuf,
    /// Octets that it may have.
    pub limit: u64,
}

/// How a daemon has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By a signal: tunnels and routes are there, and another daemon may take them over.
    Stopped,
    /// By `weft down`: nothing is there any more.
    Left,
}

/// Runs the daemon until a signal or `weft down` ends it.
///
/// # Errors
/// If it cannot start: a wrong mesh file, a key of no site, a missing capability, another daemon in the same directory.
pub fn run(options: Options) -> anyhow::Result<Ended> {
    let local = local::Local::load(&options)?;
    // Reading the key has left copies in frames that are done with.
    wireguard::stack::wipe();
    privileges::drop_capabilities()?;
    memory::give_back_at_intervals().context("starting a thread")?;
    block_on(core::run(options, local))
}

/// Whether a daemon uses this run directory, though it may not answer.
pub fn is_running(run_dir: &Path) -> bool {
    instance_lock::holder(run_dir).is_some()
}

/// Removes everything that a daemon of this run directory has made and left, and stops its engine. For when none runs. `mesh` is the
/// name of the mesh where the run directory does not say it. What comes back is what cannot be undone, in sentences.
///
/// # Errors
/// If something could not be removed; what is left can be tried again.
pub fn clean_up(run_dir: &Path, mesh: Option<String>) -> anyhow::Result<Vec<String>> {
    privileges::drop_capabilities()?;
    block_on(removal::clean_up(run_dir, mesh))
}

/// Runs to the end of `work`. Threads that wait for something that does not come are left behind: they end with the process.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(WORKER_THREADS).enable_all().build().context("starting the runtime")?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

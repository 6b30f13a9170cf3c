//! `weft down`: removes everything of the mesh from the kernel, whether or not a daemon runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use tracing::warn;

use super::instance_lock::InstanceLock;
use super::notes::Notes;
use super::offline_withdrawal::withdraw_offline;
use crate::bfd;
use crate::kernel::{self, Kernel, meshes_by_links};
use crate::reconcile::Planner;
use crate::reconcile::state::State;
use crate::tunnel::WireGuard;

/// The program file from which the engine is started: that of this process, even if it has been replaced since.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// The most rounds of observing and removing.
const ROUNDS: usize = 5;

/// The mesh name that is used if there is no link from which the name can be read.
const NAMELESS: &str = "?";

/// Removes what a daemon that no longer runs has left; returns a description of what could not be undone.
pub(super) async fn clean_up(run_dir: &Path, mesh: Option<String>) -> anyhow::Result<Vec<String>> {
    // The lock prevents a daemon from starting meanwhile.
    let _lock = InstanceLock::acquire(run_dir)?;
    let drivers = WireGuard::new(run_dir, PROGRAM.into());
    let mut notes = Notes::left_in(run_dir);
    let withdrawn = withdraw_offline(run_dir, &mut notes, &drivers).await;
    let obstacle = withdrawn.err().map(|error| {
        format!("this router's LSAs are not flushed, neighbours drop it after the dead interval or the grace period: {error:#}")
    });
    let left = match mesh.or_else(|| notes.noted_mesh()) {
        Some(mesh) => remove_mesh(&mesh, &drivers, run_dir, &mut notes).await?,
        None => {
            let mut left = Vec::new();
            for mesh in unnoted_meshes(run_dir, &notes).await? {
                left.extend(remove_mesh(&mesh, &drivers, run_dir, &mut notes).await?);
            }
            left
        }
    };
    if run_dir.is_dir() {
        drivers.engine().stop().await?;
    }
    Ok(obstacle.into_iter().chain(left).collect())
}

async fn remove_mesh(
    mesh: &str,
    drivers: &WireGuard,
    run_dir: &Path,
    notes: &mut Notes,
) -> anyhow::Result<Vec<String>> {
    let (mut kernel, _watch) = Kernel::open(mesh, run_dir)?;
    remove_everything(&mut kernel, drivers, run_dir, notes).await
}

/// Returns the meshes whose marks are on links here, for a run directory that has lost its note of the mesh. Fails if nothing shows that a
/// daemon used this directory, because the links may be those of another daemon.
async fn unnoted_meshes(run_dir: &Path, notes: &Notes) -> anyhow::Result<BTreeSet<String>> {
    let meshes = meshes_by_links().await?;
    let names: Vec<&str> = meshes.iter().map(String::as_str).collect();
    anyhow::ensure!(
        meshes.is_empty() || notes.show_a_daemon(),
        "{} does not say which mesh to remove, and links of {} are here: `weft down --mesh NAME` removes them, or name the daemon's \
         --run-dir",
        run_dir.display(),
        names.join(", ")
    );
    // Routes, rules and addresses are recognized by their protocol, whatever the name of the mesh is.
    Ok(if meshes.is_empty() && notes.show_a_daemon() { BTreeSet::from([NAMELESS.to_owned()]) } else { meshes })
}

/// Removes everything of the mesh from the kernel, and restores the kernel's settings; returns sentences about what could not be undone.
pub(super) async fn remove_everything(
    kernel: &mut Kernel,
    drivers: &WireGuard,
    run_dir: &Path,
    notes: &mut Notes,
) -> anyhow::Result<Vec<String>> {
    // Sessions end with AdminDown, which no peer takes for a failure: as long as there are tunnels to send it through.
    bfd::client::stop(run_dir).await?;
    let mut failures = Vec::new();
    // A previous daemon may have left segments.
    kernel.expect_segments(kernel::Segments::Observed);
    let unknown = kernel.settings_unknown(&kernel.observe(drivers).await?);
    for _ in 0..ROUNDS {
        kernel.look_at_filter().await;
        let mut observed = kernel.observe(drivers).await?;
        let desired = State { sysctls: kernel.settings_to_restore(&observed), ..State::default() };
        let (mut planner, now) = (Planner::default(), Instant::now());
        let plan = planner.plan(&desired, &observed, now);
        let executed = kernel.execute(&plan.steps, &observed, drivers).await;
        failures = planner.carried_out(plan, executed.outcomes, Some(&desired), &mut observed, now);
        if failures.is_empty() {
            let mut left = Vec::new();
            if !unknown.is_empty() {
                let settings = unknown.join(", ");
                left.push(format!("{settings}: left as they are, for nothing says what they were before weft"));
            }
            let forgotten = [kernel.forget_settings(), notes.forget_mesh()];
            left.extend(forgotten.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")));
            left.iter().for_each(|left| warn!("{left}"));
            return Ok(left);
        }
    }
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    anyhow::bail!("left behind: {}", failures.join("; "))
}

//! `weft down`: everything of the mesh leaves the kernel, whether a daemon runs or not.

use std::collections::BTreeSet;
use std::path::Path;

use tracing::warn;

use super::instance_lock::InstanceLock;
use super::notes::Notes;
use super::offline_withdrawal::withdraw_offline;
use crate::kernel::{self, Kernel, meshes_by_links};
use crate::reconcile::state::State;
use crate::tunnel::WireGuard;

/// The program that the engine is started from: this one, even if its file has been replaced since.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// Rounds of looking and removing until nothing is left.
const ROUNDS: usize = 5;

/// Stands for a mesh of which no link is left to say its name.
const NAMELESS: &str = "?";

/// Removes what a daemon left that does not run any more; what cannot be undone comes back.
pub(super) async fn clean_up(run_dir: &Path, mesh: Option<String>) -> anyhow::Result<Vec<String>> {
    // No daemon may start meanwhile.
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
    remove_everything(&mut kernel, drivers, notes).await
}

/// The meshes that are here by the marks on their links, where the run directory's note of its mesh is lost. Where nothing shows that
/// it ever had one, they may be another daemon's.
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
    // Routes, rules and addresses are weft's by their protocol, whatever the mesh is called.
    Ok(if meshes.is_empty() && notes.show_a_daemon() { BTreeSet::from([NAMELESS.to_owned()]) } else { meshes })
}

/// Takes everything of the mesh out of the kernel and gives its settings back; what cannot be undone comes back, in sentences.
pub(super) async fn remove_everything(
    kernel: &mut Kernel,
    drivers: &WireGuard,
    notes: &mut Notes,
) -> anyhow::Result<Vec<String>> {
    let mut failures = Vec::new();
    // Whatever a daemon before may have left.
    kernel.expect_segments(kernel::Segments::Observed);
    let unknown = kernel.settings_unknown(&kernel.observe(drivers).await?);
    for _ in 0..ROUNDS {
        kernel.try_everything();
        kernel.look_at_filter().await;
        let mut observed = kernel.observe(drivers).await?;
        let desired = State { sysctls: kernel.settings_to_restore(&observed), ..State::default() };
        failures = kernel.reconcile(&desired, &mut observed, drivers).await?;
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

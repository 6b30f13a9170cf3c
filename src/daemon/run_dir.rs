//! The directory of run-time files: the control socket, the engine's, and what `weft down` has to know when no daemon runs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Makes a directory, open to its owner and group, if it is not there.
pub(super) fn create(run_dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(run_dir)
        .with_context(|| format!("making the run directory {}", run_dir.display()))
}

/// Notes the mesh whose things are in the kernel from now on.
pub(super) fn note_mesh(run_dir: &Path, mesh: &str) -> anyhow::Result<()> {
    let path = mesh_file(run_dir);
    fs::write(&path, mesh).with_context(|| format!("writing {}", path.display()))
}

/// The mesh whose things are in the kernel; `None` if there is none.
pub(super) fn noted_mesh(run_dir: &Path) -> anyhow::Result<Option<String>> {
    let path = mesh_file(run_dir);
    match fs::read_to_string(&path) {
        Ok(mesh) => Ok(Some(mesh)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Forgets it, once nothing is there any more.
pub(super) fn forget_mesh(run_dir: &Path) -> anyhow::Result<()> {
    let path = mesh_file(run_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn mesh_file(run_dir: &Path) -> PathBuf {
    run_dir.join("mesh")
}

//! The files that the daemon leaves for the next one and for `weft down`: the mesh and its file, the daemon's options, the number of this
//! start, and the note about a restart.
//!
//! The run directory lasts until the next reboot; the state directory survives reboots. One directory may be both. A router also works
//! without them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing::error;

use super::Options;
use super::restart_note::{self, Note};
use crate::mesh;
use crate::state_file::{Outlives, Purpose, StateFile, Written, directory_problem, make_directory};

const MESH: Purpose = Purpose {
    name: "mesh",
    limit: 256,
    outlives: Outlives::Process,
    without: "once the daemon has ended, `weft down` may need --mesh",
};

const OPTIONS: Purpose = Purpose {
    name: "options",
    limit: 16 * 1024,
    outlives: Outlives::Process,
    without: "once the daemon has ended, `weft down` cannot flush this router's LSAs: OSPF neighbours drop it after the dead interval",
};

const MESH_FILE: Purpose = Purpose {
    name: "mesh.toml",
    limit: mesh::MAX_FILE,
    outlives: Outlives::Process,
    without: "once the daemon has ended, `weft down` flushes this router's LSAs by the mesh file as it is then",
};

const STARTS: Purpose = Purpose {
    name: "starts",
    limit: 64,
    outlives: Outlives::PowerCut,
    without: "if the clock is set back before the next start, neighbours refuse this router's authenticated OSPF packets for a dead \
              interval",
};

/// The options of `weft run` that `weft down` needs.
#[derive(Debug, Serialize, Deserialize)]
struct NotedOptions {
    mesh_file: PathBuf,
    key_file: PathBuf,
    state_dir: PathBuf,
    public_keys: Option<PathBuf>,
}

/// The files, and the directories that they are in.
#[derive(Debug)]
pub(super) struct Notes {
    /// The run directory first, then the state directory unless it is the same.
    directories: Vec<PathBuf>,
    mesh: StateFile,
    options: StateFile,
    /// The text of the mesh file that is in force.
    mesh_file: StateFile,
    restart: StateFile,
    /// One file in each directory.
    starts: Vec<StateFile>,
}

impl Notes {
    /// Opens the files of a daemon. Missing directories are made; one that cannot be made is logged and reported as a problem.
    pub(super) fn open(run_dir: &Path, state_dir: &Path) -> Self {
        let mut directories = vec![run_dir.to_owned(), state_dir.to_owned()];
        directories.dedup();
        for directory in &directories {
            if let Err(error) = make_directory(directory) {
                error!(directory = %directory.display(), %error, "not made; the router works without what belongs there");
            }
            if let Some(problem) = directory_problem(directory) {
                error!("{problem}");
            }
        }
        Self::of(run_dir, directories)
    }

    /// Opens the files that a daemon with this run directory has left.
    pub(super) fn left_in(run_dir: &Path) -> Self {
        Self::of(run_dir, vec![run_dir.to_owned()])
    }

    fn of(run_dir: &Path, directories: Vec<PathBuf>) -> Self {
        Self {
            mesh: StateFile::new(run_dir, &MESH),
            options: StateFile::new(run_dir, &OPTIONS),
            mesh_file: StateFile::new(run_dir, &MESH_FILE),
            restart: restart_note::file(run_dir),
            starts: directories.iter().map(|directory| StateFile::new(directory, &STARTS)).collect(),
            directories,
        }
    }

    /// Gives this start a number larger than that of any earlier start, and stores it. The number is the time in seconds since 1970, but
    /// always larger than the stored one: it grows if the files are lost, and it grows if the clock is wrong. If the file in the state
    /// directory is lost, the one in the run directory serves until the machine reboots. If both are lost and the clock is behind, the
    /// number may be smaller than an earlier one: neighbours then refuse authenticated packets until they forget the last sequence number
    /// together with the adjacency, after RouterDeadInterval (RFC 2328 §D.3, RFC 7474 §3).
    pub(super) fn number_start(&mut self, now: SystemTime) -> u32 {
        let noted = self.starts.iter_mut().filter_map(|file| file.read(number)).max().unwrap_or_default();
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = u32::try_from(seconds).unwrap_or(u32::MAX).max(noted.saturating_add(1));
        for file in &mut self.starts {
            // If writing fails, it is tried again later.
            let _: Written = file.write(number.to_string().as_bytes());
        }
        number
    }

    /// Stores the name of the mesh whose links, routes and other objects are in the kernel from now on.
    pub(super) fn note_mesh(&mut self, mesh: &str) {
        // If writing fails, it is tried again later.
        let _: Written = self.mesh.write(mesh.as_bytes());
    }

    /// The stored name of the mesh whose objects are in the kernel; `None` if there is none.
    pub(super) fn noted_mesh(&mut self) -> Option<String> {
        self.mesh.read(|content| {
            let mesh = std::str::from_utf8(content)?.trim();
            anyhow::ensure!(!mesh.is_empty(), "it is empty");
            Ok(mesh.to_owned())
        })
    }

    /// Stores the options of the daemon.
    pub(super) fn note_options(&mut self, options: &Options) {
        let path = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let given = NotedOptions {
            mesh_file: path(&options.mesh_file),
            key_file: path(&options.key_file),
            state_dir: path(&options.state_dir),
            public_keys: options.public_keys.as_deref().map(path),
        };
        if let Ok(content) = serde_json::to_vec(&given) {
            // If writing fails, it is tried again later.
            let _: Written = self.options.write(&content);
        }
    }

    /// The stored options of the daemon with this run directory; `None` if there are none.
    pub(super) fn noted_options(&mut self, run_dir: &Path) -> Option<Options> {
        let given: NotedOptions = self.options.read(|content| Ok(serde_json::from_slice(content)?))?;
        let NotedOptions { mesh_file, key_file, state_dir, public_keys } = given;
        Some(Options { mesh_file, key_file, run_dir: run_dir.to_owned(), state_dir, public_keys, trace: None })
    }

    /// Stores the text of the mesh file that is in force from now on.
    pub(super) fn note_mesh_file(&mut self, text: &str) {
        // If writing fails, it is tried again later.
        let _: Written = self.mesh_file.write(text.as_bytes());
    }

    /// The stored text of the mesh file that was in force last; `None` if there is none.
    pub(super) fn noted_mesh_file(&mut self) -> Option<String> {
        self.mesh_file.read(|content| Ok(std::str::from_utf8(content)?.to_owned()))
    }

    /// Whether files show that a daemon has run with this run directory, even if the name of its mesh is not stored.
    pub(super) fn show_a_daemon(&self) -> bool {
        let left = ["control.sock", "engine.sock", "engine.log", "sysctl.json", "mesh.damaged"];
        self.mesh.is_lost() || left.iter().any(|name| self.directories[0].join(name).symlink_metadata().is_ok())
    }

    /// Removes the files about the mesh, once nothing of it is left in the kernel.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(super) fn forget_mesh(&mut self) -> anyhow::Result<()> {
        for file in [&mut self.mesh_file, &mut self.options, &mut self.mesh] {
            file.remove().with_context(|| format!("removing {}", file.path().display()))?;
        }
        Ok(())
    }

    /// Writes the note about a restart, in place of any earlier one.
    pub(super) fn leave_restart(&mut self, note: Note) -> Written {
        restart_note::leave(&mut self.restart, note)
    }

    /// Takes the note of the previous daemon, and removes it; `None` if there is no valid one.
    pub(super) fn take_restart(&mut self) -> Option<Note> {
        restart_note::take(&mut self.restart)
    }

    /// Tries again to make directories and to write files for which that failed before.
    pub(super) fn retry(&mut self) {
        for directory in &self.directories {
            // A failure is reported as a problem while it lasts.
            let _ = make_directory(directory);
        }
        self.mesh.retry();
        self.options.retry();
        self.mesh_file.retry();
        self.starts.iter_mut().for_each(StateFile::retry);
    }

    /// Problems of the directories and files that an operator should know about.
    pub(super) fn problems(&self) -> Vec<String> {
        let of_directories = self.directories.iter().filter_map(|directory| directory_problem(directory));
        let files = [&self.mesh, &self.options, &self.mesh_file, &self.restart].into_iter().chain(&self.starts);
        of_directories.chain(files.flat_map(StateFile::problems)).collect()
    }
}

fn number(content: &[u8]) -> anyhow::Result<u32> {
    let text = std::str::from_utf8(content)?.trim();
    text.parse().with_context(|| format!("`{text}` is no number of a start"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn options(directory: &Path) -> Options {
        Options {
            mesh_file: directory.join("mesh.toml"),
            key_file: directory.join("key"),
            run_dir: directory.to_owned(),
            state_dir: directory.to_owned(),
            public_keys: None,
            trace: None,
        }
    }

    #[test]
    fn what_the_daemon_was_given_is_there_until_everything_of_its_mesh_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut notes = Notes::open(dir.path(), dir.path());
        assert!(notes.noted_options(dir.path()).is_none());
        notes.note_mesh("acme");
        notes.note_options(&options(dir.path()));
        notes.note_mesh_file("[mesh]");
        let mut left = Notes::left_in(dir.path());
        assert_eq!(left.noted_mesh_file().as_deref(), Some("[mesh]"));
        assert_eq!(left.noted_options(dir.path()).unwrap().key_file, dir.path().join("key"));
        left.forget_mesh().unwrap();
        let mut left = Notes::left_in(dir.path());
        assert!(left.noted_options(dir.path()).is_none() && left.noted_mesh_file().is_none());
    }

    #[test]
    fn every_start_has_a_larger_number_whatever_the_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        let number = |secs| Notes::open(dir.path(), dir.path()).number_start(at(secs));
        assert_eq!([1000, 5, 5, 2000].map(number), [1000, 1001, 1002, 2000]);
        fs::write(dir.path().join("starts"), "?").unwrap();
        assert_eq!(number(3000), 3000);
    }

    #[test]
    fn a_lost_note_of_either_directory_is_made_up_for_by_the_other() {
        let (run, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let number = |secs| Notes::open(run.path(), state.path()).number_start(at(secs));
        assert_eq!(number(1000), 1000);
        for (lost, expected) in [(&run, 1001), (&state, 1002)] {
            fs::write(lost.path().join("starts"), "\0\0\0").unwrap();
            assert_eq!(number(5), expected);
        }
    }

    #[test]
    fn a_router_without_directories_has_a_number_and_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let mut notes = Notes::open(&file.join("run"), &file.join("state"));
        assert_eq!(notes.number_start(at(1000)), 1000);
        notes.note_mesh("acme");
        assert_eq!((notes.noted_mesh(), notes.take_restart()), (None, None));
        notes.note_options(&options(dir.path()));
        let problems = notes.problems();
        for (name, count) in [("/run", 4), ("/state", 2), ("cannot be written (Not a directory", 4)] {
            assert_eq!(
                problems.iter().filter(|problem| problem.contains(name)).count(),
                count,
                "{name}: {problems:#?}"
            );
        }
        fs::remove_file(&file).unwrap();
        notes.retry();
        assert_eq!((notes.problems(), notes.noted_mesh().as_deref()), (Vec::new(), Some("acme")));
        assert_eq!(Notes::open(&file.join("run"), &file.join("state")).number_start(at(5)), 1001);
    }
}

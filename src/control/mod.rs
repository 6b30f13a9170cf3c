//! The control socket, `RUN_DIR/control.sock`: one JSON line asks, one JSON line answers, within seconds whatever the daemon does.
//!
//! [`view`] has what is answered, in the form that `--json` prints and that scripts depend on (keys are only ever added).

mod activity;
mod client;
mod protocol;
mod server;
pub mod view;

use std::path::{Path, PathBuf};

pub use activity::Activity;
pub use client::{ClientError, ask};
pub use protocol::{LsaSelection, LsaTraits, Noun, Request, StubRouterCommand};
pub use server::{Asked, Cursor, LsaCursor, Part, Server};

/// Where weft keeps its run-time files unless `--run-dir` says otherwise.
pub const DEFAULT_RUN_DIR: &str = "/run/weft";

/// The control socket of the daemon that uses this directory.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}

//! The control socket, `RUN_DIR/control.sock`: a request is one line of JSON, and so is its answer, which comes within seconds even if the
//! daemon is busy.
//!
//! [`view`] has the types of the answers, in the form that `--json` prints and that scripts depend on: keys are only ever added.

mod activity;
mod client;
mod protocol;
mod server;
pub mod view;

use std::path::{Path, PathBuf};

pub use activity::Activity;
pub use client::{Answer, ClientError, ask, request};
pub use protocol::{LsaSelection, LsaTraits, Noun, Request, StubRouterCommand};
pub use server::{Asked, Cursor, LsaCursor, Part, Server};

/// The directory of weft's run-time files, unless `--run-dir` names another.
pub const DEFAULT_RUN_DIR: &str = "/run/weft";

/// The path of the control socket of the daemon that uses this directory.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}

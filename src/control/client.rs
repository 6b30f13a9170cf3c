//! The asking side, used by the command line.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::protocol::{Reply, Request};

/// How long an answer may take; `down` has the most to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens there.
    #[error("no weft daemon answers on {path}: is `weft run` running, with this --run-dir?")]
    NotRunning {
        /// The control socket.
        path: PathBuf,
    },
    /// The socket failed.
    #[error("talking to the weft daemon on {path}")]
    Io {
        /// The control socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The daemon refused.
    #[error("the weft daemon says: {0}")]
    Refused(String),
    /// It answered with something else than this program understands.
    #[error("the weft daemon's answer cannot be read: is it of another version?")]
    Answer(#[from] serde_json::Error),
}

/// Asks the daemon of `run_dir`, and reads its answer as a `T`.
pub fn ask<T: DeserializeOwned>(run_dir: &Path, request: Request) -> Result<T, ClientError> {
    let path = super::socket_path(run_dir);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if nobody_there(&error) => return Err(ClientError::NotRunning { path }),
        Err(source) => return Err(ClientError::Io { path, source }),
    };
    let line = exchange(stream, request).map_err(|source| ClientError::Io { path, source })?;
    match serde_json::from_str(&line)? {
        Reply::Ok(value) => Ok(serde_json::from_value(value)?),
        Reply::Error(reason) => Err(ClientError::Refused(reason)),
    }
}

/// There is no socket, nobody listens to it, or something else has its name or that of its directory.
fn nobody_there(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) || error.raw_os_error() == Some(libc::ELOOP)
}

fn exchange(mut stream: UnixStream, request: Request) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = serde_json::to_string(&request)?;
    question.push('\n');
    stream.write_all(question.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

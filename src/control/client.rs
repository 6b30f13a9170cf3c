//! The client side of the control socket, used by the command line.
//!
//! It waits for an answer as long as the daemon can give one. If none comes within [`ANSWER_PATIENCE`], it looks at the state of the
//! daemon's process and reports that.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use socket2::{Domain, SockAddr, Socket, Type};

use super::protocol::{Reply, Request};
use crate::proc_stat::{Doing, Glance};

/// How long a command may take that changes something; `down` takes the longest.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a query may take, and how long the client waits before it looks at the daemon's process.
const ANSWER_PATIENCE: Duration = Duration::from_millis(1900);
/// How long the rest of an answer may take, once it has begun.
const PART_PATIENCE: Duration = Duration::from_secs(5);
/// How long connecting may take: it waits only if the daemon's queue of connections is full.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("no weft daemon answers on {path}: is `weft run` running, with this --run-dir?")]
    NotRunning {
        /// The control socket.
        path: PathBuf,
    },
    /// A process listens on the socket, but does not answer.
    #[error("the weft daemon (pid {pid}) does not answer within {} s: {}{}", .within.as_secs_f64().round(), .glance.words(), remedy(*pid, *.glance))]
    Silent {
        /// Process id of the process that listens.
        pid: i32,
        /// How long the client has waited.
        within: Duration,
        /// What the process is doing.
        #[doc(hidden)]
        glance: Seen,
    },
    /// The socket failed.
    #[error("talking to the weft daemon on {path}")]
    Io {
        /// The control socket.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The daemon refused.
    #[error("the weft daemon says: {0}")]
    Refused(String),
    /// The daemon answered with something that this program does not understand.
    #[error("the weft daemon's answer cannot be read: is it of another version?")]
    Answer(#[from] serde_json::Error),
}

/// What the client has seen of the daemon's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(Glance);

impl Seen {
    fn words(self) -> &'static str {
        self.0.words()
    }
}

/// What the operator can do about it.
fn remedy(pid: i32, seen: Seen) -> String {
    match seen.0.doing {
        Doing::Stopped => format!("; `kill -CONT {pid}` lets it go on"),
        Doing::Traced => "; detach the debugger".to_owned(),
        Doing::Working | Doing::Sleeping => "; its log may say why".to_owned(),
        Doing::Gone => "; start it again".to_owned(),
    }
}

/// Whether a process listens on the socket, whether or not it answers.
pub(super) fn is_served(path: &Path) -> bool {
    match connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// The result of a request, as the daemon has sent it.
#[derive(Debug)]
pub struct Answer(Box<RawValue>);

impl Answer {
    /// Reads it as a `T`.
    ///
    /// # Errors
    /// If it is something else, as the answer of another version may be.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ClientError> {
        Ok(serde_json::from_str(self.json())?)
    }

    /// Its JSON text.
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

/// Sends a request to the daemon of `run_dir`, and reads its answer as a `T`.
///
/// # Errors
/// If there is no daemon, no answer or none that can be read, or if the daemon refuses.
pub fn ask<T: DeserializeOwned>(run_dir: &Path, request: Request) -> Result<T, ClientError> {
    self::request(run_dir, request)?.read()
}

/// Sends a request to the daemon of `run_dir`, and receives its answer.
///
/// # Errors
/// If there is no daemon, no answer, or if the daemon refuses.
pub fn request(run_dir: &Path, request: Request) -> Result<Answer, ClientError> {
    let path = super::socket_path(run_dir);
    let stream = match connect(&path) {
        Ok(stream) => stream,
        Err(error) if nobody_there(&error) => return Err(ClientError::NotRunning { path }),
        Err(source) => return Err(ClientError::Io { path, source }),
    };
    let answer = match exchange(stream, &path, &request) {
        // The daemon ended after the request and before its answer.
        Err(ClientError::Io { .. }) if connect(&path).is_err_and(|error| nobody_there(&error)) => {
            return Err(ClientError::NotRunning { path });
        }
        other => other?,
    };
    match serde_json::from_str(&answer)? {
        Reply::Ok(value) => Ok(Answer(value)),
        Reply::Error(reason) => Err(ClientError::Refused(reason)),
    }
}

/// Whether no daemon listens: there is no socket, nothing listens on it, or its name or that of its directory is something else.
fn nobody_there(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) || error.raw_os_error() == Some(libc::ELOOP)
}

/// Connects. Fails with `WouldBlock` if the listener's queue is full.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(CONNECT_PATIENCE))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

fn exchange(mut stream: UnixStream, path: &Path, request: &Request) -> Result<String, ClientError> {
    let failed = |source| ClientError::Io { path: path.to_owned(), source };
    let begin = Instant::now();
    let mut question = serde_json::to_string(request)?;
    question.push('\n');
    stream.write_all(question.as_bytes()).map_err(failed)?;
    let pid = getsockopt(&stream, PeerCredentials).map_err(|error| failed(error.into()))?.pid();
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let patience = if request.only_asks() { ANSWER_PATIENCE } else { PATIENCE };
    while let Err(error) = reader.fill_buf().map(<[u8]>::len) {
        match error.kind() {
            io::ErrorKind::WouldBlock => {}
            // Perhaps this process itself was stopped for a while.
            io::ErrorKind::Interrupted => continue,
            _ => return Err(failed(error)),
        }
        let glance = Glance::at(pid);
        let cannot = matches!(glance.doing, Doing::Stopped | Doing::Traced | Doing::Gone);
        if cannot || begin.elapsed() >= patience {
            return Err(ClientError::Silent { pid, within: begin.elapsed(), glance: Seen(glance) });
        }
    }
    reader.get_ref().set_read_timeout(Some(PART_PATIENCE)).map_err(failed)?;
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(line),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn who_listens_and_does_not_answer_is_described_in_time() {
        let dir = tempfile::tempdir().unwrap();
        // It listens, and that is all.
        let _listener = UnixListener::bind(super::super::socket_path(dir.path())).unwrap();
        let begin = Instant::now();
        let error = ask::<()>(dir.path(), Request::Status).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        let text = error.to_string();
        let start = format!("the weft daemon (pid {}) does not answer within 2 s: it ", std::process::id());
        assert!(text.starts_with(&start) && text.ends_with("; its log may say why"), "{text}");
    }

    /// Asks who listens at a socket, and has it end with the question unanswered.
    fn asked_at_its_end(end: impl FnOnce(UnixListener)) -> ClientError {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(super::super::socket_path(dir.path())).unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask::<()>(dir.path(), Request::Status).unwrap_err());
            let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut asked, PollTimeout::from(10_000_u16)), Ok(1), "nobody asks");
            end(listener);
            asking.join().unwrap()
        })
    }

    #[test]
    fn a_daemon_that_ends_before_it_answers_is_not_running() {
        let reset = asked_at_its_end(drop);
        assert!(matches!(reset, ClientError::NotRunning { .. }), "{reset}");
        let closed = asked_at_its_end(|listener| {
            let (stream, _) = listener.accept().unwrap();
            drop(listener);
            drop(stream);
        });
        assert!(matches!(closed, ClientError::NotRunning { .. }), "{closed}");
    }

    #[test]
    fn a_daemon_that_hangs_up_and_runs_on_is_no_other_version() {
        let mut kept = None;
        let error = asked_at_its_end(|listener| {
            drop(listener.accept().unwrap());
            kept = Some(listener);
        });
        assert!(matches!(error, ClientError::Io { .. }), "{error}");
    }

    #[test]
    fn a_stopped_process_is_named_with_what_lets_it_go_on() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGSTOP).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Glance::at(pid).doing != Doing::Stopped {
            assert!(Instant::now() < deadline, "the signal has no effect");
            std::thread::yield_now();
        }
        let within = Duration::from_millis(1900);
        let error = ClientError::Silent { pid, within, glance: Seen(Glance::at(pid)) };
        let expected = format!(
            "the weft daemon (pid {pid}) does not answer within 2 s: it is stopped (state T); `kill -CONT {pid}` lets it go on"
        );
        assert_eq!(error.to_string(), expected);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Glance::at(pid).doing, Doing::Gone);
    }

    #[test]
    fn nobody_there_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(ask::<()>(dir.path(), Request::Status), Err(ClientError::NotRunning { .. })));
        drop(UnixListener::bind(super::super::socket_path(dir.path())).unwrap());
        assert!(matches!(ask::<()>(dir.path(), Request::Status), Err(ClientError::NotRunning { .. })));
    }
}

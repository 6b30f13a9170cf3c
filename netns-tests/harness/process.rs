//! Running programs: to their end, or in the background with their output in a file.
//!
//! Commands are written as one line and split at white space; nothing here goes through a shell.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::eventually;

/// How much of a log a failure shows, bytes.
const TAIL: u64 = 6_000;

/// How long a program may run whose end is awaited: a test that waits for longer is ended by its runner, which cannot say for what.
const LONGEST: Duration = Duration::from_secs(100);

/// How long a background process may take to end after a signal.
const END: Duration = Duration::from_secs(10);

/// The command that `line` spells, with no standard input.
pub fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command line has a program"));
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs `line` to its end and returns what it wrote to stdout; the error shows both outputs.
pub fn run(line: &str) -> Result<String> {
    output_of(&mut command(line))
}

/// Runs `command` to its end and returns what it wrote to stdout; the error shows both outputs. It has [`LONGEST`] for that.
pub fn output_of(command: &mut Command) -> Result<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let (ended, end) = mpsc::channel::<()>();
    // The sender is dropped at the end of the program.
    let limit = thread::spawn(move || {
        let is_over = end.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
        if is_over {
            // It fails only where the program ends at this moment.
            kill(pid, Signal::SIGKILL).ok();
        }
        is_over
    });
    let output = child.wait_with_output();
    drop(ended);
    let is_over = limit.join().expect("the thread that limits a program does not panic");
    let what = format!("{command:?}");
    let what = if is_over { format!("{what}, killed after {LONGEST:?}") } else { what };
    success(&what, &output.with_context(|| format!("waiting for {what}"))?)
}

/// What a program that ended well has printed; the error has all that it printed, under the name `what`.
pub fn success(what: &str, output: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{what}: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout)
}

/// A program in the background, killed when this is dropped. Its output goes to a file.
pub struct Background {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts `command`; `dir` gets its output as `NAME.log`, appended to what an earlier run left there.
    pub fn start(name: &str, mut command: Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).with_context(|| format!("creating {log:?}"))?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// An error with the end of its log if the program has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.log_tail()),
        }
    }

    /// Waits until `probe` succeeds; an error at once if the program ends before.
    pub fn await_answer(&mut self, within: Duration, probe: impl Fn() -> Result<()>) -> Result<()> {
        eventually(&format!("{} to answer", self.name), within, || match self.alive() {
            Ok(()) => probe().map(|()| Some(Ok(()))),
            Err(ended) => Ok(Some(Err(ended))),
        })?
    }

    /// Sends `signal`.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("sending {signal} to {}", self.name))
    }

    /// Sends `signal` and waits for the end.
    pub fn end_with(&mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        eventually(&format!("the end of {}", self.name), END, || Ok(self.child.try_wait()?)).map(drop)
    }

    /// Waits for the end, which must be a success; returns the whole output.
    pub fn finish(mut self, within: Duration) -> Result<String> {
        let status = eventually(&format!("the end of {}", self.name), within, || Ok(self.child.try_wait()?))?;
        if !status.success() {
            bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
        }
        self.output()
    }

    /// What it has written so far.
    pub fn output(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("reading {:?}", self.log))
    }

    /// The end of what it has written so far.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, self.log_tail());
        }
    }
}

/// Whether the process has ended and what it had open is closed, so that nothing is locked by it any more. `/proc/PID/exe` is gone before that,
/// and a process of several threads is a zombie as soon as its first thread has ended.
pub fn has_ended(pid: Pid) -> bool {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let Ok(stat) = fs::read_to_string(proc.join("stat")) else { return true };
    // The name of a process is in parentheses; its state comes after them (proc_pid_stat(5)).
    let is_zombie = stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with(['Z', 'X']));
    is_zombie && fs::read_dir(proc.join("task")).map_or(true, |threads| threads.count() <= 1)
}

/// The end of the file at `path`, or why it cannot be shown.
pub fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let from = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        // A test may have had a log that has no end, such as /dev/full.
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({}: {error})", path.display()))
}

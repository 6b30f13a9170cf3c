//! Writes lines to outputs that can fail: a full disk, a pipe that nobody reads, a terminal that is stopped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::file::LogFile;

/// Number of octets written at a time: a pipe or a socket that polls as writable accepts this number without blocking (PIPE_BUF).
const CHUNK: usize = 4096;

/// How long to wait for a slow reader before the first line is lost, in milliseconds. Later lines do not wait.
const PATIENCE_MS: u8 = 20;

/// How often a panic tries to lock the log while another thread writes, and the time between two attempts.
const PANIC_ATTEMPTS: u32 = 100;
const PANIC_PAUSE: Duration = Duration::from_millis(1);

/// Where octets are written.
pub(super) enum Output {
    /// A descriptor that is always open.
    Stream(Box<dyn AsFd + Send>),
    /// A file of bounded size.
    File(LogFile),
}

/// Writes lines one after the other, and counts those that are lost.
pub(super) struct Sink {
    /// A mutex, because all threads write to one output. Never held across an `.await`.
    state: Mutex<State>,
}

struct State {
    output: Output,
    lost: Option<Lost>,
    /// Whether the last line is incomplete: the next one begins a new line.
    torn: bool,
}

/// Lines that could not be written since the last one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Number of lines, at least one.
    pub lines: u64,
    /// The error of the last attempt.
    pub cause: String,
}

impl Lost {
    /// The number in words, such as `1 log line was lost`.
    pub fn count(&self) -> String {
        match self.lines {
            1 => "1 log line was lost".to_owned(),
            lines => format!("{lines} log lines were lost"),
        }
    }
}

impl Sink {
    pub fn new(output: Output) -> Self {
        Self { state: Mutex::new(State { output, lost: None, torn: false }) }
    }

    /// Writes `line`, preceded by the notice about lines lost before; if that fails, counts it as lost.
    pub fn write(&self, line: &[u8], notice: impl FnOnce(&Lost) -> String) {
        self.lock().write(line, notice);
    }

    /// Like [`Sink::write`], for a thread that panics and may already hold the lock.
    pub fn write_in_panic(&self, text: &[u8], notice: impl FnOnce(&Lost) -> String) {
        for _ in 0..PANIC_ATTEMPTS {
            match self.state.try_lock() {
                Ok(mut state) => return state.write(text, notice),
                Err(std::sync::TryLockError::Poisoned(state)) => return state.into_inner().write(text, notice),
                Err(std::sync::TryLockError::WouldBlock) => std::thread::sleep(PANIC_PAUSE),
            }
        }
        // Another thread holds the log and does not release it: write to standard error instead.
        let _ = put(io::stderr().as_fd(), text, PATIENCE_MS);
    }

    /// Returns what is lost at present. First tries to write the notice about it, after which nothing is lost any more: the next line may
    /// come much later.
    pub fn lost(&self, notice: impl FnOnce(&Lost) -> String) -> Option<Lost> {
        let mut state = self.lock();
        // The result contains the reason if this fails.
        let _ = state.catch_up(notice);
        state.lost.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: &[u8], notice: impl FnOnce(&Lost) -> String) {
        let Err(error) = self.catch_up(notice).and_then(|()| self.put(line)) else { return };
        let lines = self.lost.as_ref().map_or(0, |lost| lost.lines);
        self.lost = Some(Lost { lines: lines.saturating_add(1), cause: cause(&error) });
    }

    /// Writes the notice about lines that were lost, if there are any.
    fn catch_up(&mut self, notice: impl FnOnce(&Lost) -> String) -> io::Result<()> {
        let Some(lost) = &self.lost else { return Ok(()) };
        let notice = notice(lost);
        let written = self.put(notice.as_bytes());
        self.lost = match &written {
            Ok(()) => None,
            Err(error) => self.lost.take().map(|lost| Lost { cause: cause(error), ..lost }),
        };
        written
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let patience = if self.lost.is_none() { PATIENCE_MS } else { 0 };
        let fd = match &mut self.output {
            Output::Stream(stream) => (**stream).as_fd(),
            Output::File(file) => file.with_room_for(line.len())?,
        };
        if self.torn {
            put(fd, b"\n", patience).map_err(|(error, _)| error)?;
            self.torn = false;
        }
        put(fd, line, patience).map_err(|(error, written)| {
            self.torn = written > 0;
            error
        })
    }
}

/// Writes all of `text`, or returns the error and how much was written.
fn put(fd: BorrowedFd<'_>, text: &[u8], mut patience: u8) -> Result<(), (io::Error, usize)> {
    let mut written = 0;
    while written < text.len() {
        let end = text.len().min(written + CHUNK);
        let outcome = await_room(fd, patience).and_then(|()| nix::unistd::write(fd, &text[written..end]));
        match outcome {
            Ok(0) => return Err((io::ErrorKind::WriteZero.into(), written)),
            Ok(octets) => written += octets,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if patience > 0 => patience = 0,
            Err(errno) => return Err((errno.into(), written)),
        }
    }
    Ok(())
}

/// Returns as soon as a write would not block, or `EAGAIN` if that takes too long. The write itself reports a closed pipe.
fn await_room(fd: BorrowedFd<'_>, patience: u8) -> nix::Result<()> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    if poll(&mut fds, PollTimeout::from(patience))? == 0 { Err(Errno::EAGAIN) } else { Ok(()) }
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "its reader does not keep up".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use super::*;

    fn sink(output: OwnedFd) -> Sink {
        Sink::new(Output::Stream(Box::new(output)))
    }

    fn notice(lost: &Lost) -> String {
        format!("({}: {})\n", lost.count(), lost.cause)
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted() {
        let full = sink(File::options().write(true).open("/dev/full").unwrap().into());
        for _ in 0..3 {
            full.write(b"line\n", notice);
        }
        assert_eq!(full.lost(notice).unwrap().count(), "3 log lines were lost");
        assert!(full.lost(notice).unwrap().cause.starts_with("No space left on device"));
    }

    #[test]
    fn a_closed_pipe_is_no_more_than_lines_lost() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let closed = sink(writer);
        closed.write(b"line\n", notice);
        assert!(closed.lost(notice).unwrap().cause.starts_with("Broken pipe"));
    }

    #[test]
    fn a_reader_that_does_not_keep_up_blocks_nobody_and_learns_how_much_it_missed() {
        // The pipe itself blocks: whoever writes into it without looking waits for ever.
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let slow = sink(writer);
        let line = [b"x".repeat(3000), b"\n".to_vec()].concat();
        while slow.lost(notice).is_none() {
            slow.write(&line, notice);
        }
        slow.write(b"lost, too\n", notice);
        let mut reader = File::from(reader);
        let mut read = vec![0; 1 << 20];
        assert!(reader.read(&mut read).unwrap() > 0);
        slow.write(b"after\n", notice);
        assert_eq!(slow.lost(notice), None);
        drop(slow);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim_start(), "(2 log lines were lost: its reader does not keep up)\nafter\n");
    }

    #[test]
    fn what_was_lost_is_told_when_somebody_asks_though_no_line_follows() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let slow = sink(writer);
        while slow.lost(notice).is_none() {
            slow.write(&[b"x".repeat(3000), b"\n".to_vec()].concat(), notice);
        }
        let mut reader = File::from(reader);
        let mut read = vec![0; 1 << 20];
        assert!(reader.read(&mut read).unwrap() > 0);
        assert_eq!(slow.lost(notice), None);
        drop(slow);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim_start(), "(1 log line was lost: its reader does not keep up)\n");
    }

    #[test]
    fn a_line_cut_off_does_not_run_into_the_next() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let slow = sink(writer);
        let long = [b"y".repeat(1 << 20), b"\n".to_vec()].concat();
        slow.write(&long, notice);
        assert!(slow.lost(notice).is_some());
        let mut reader = File::from(reader);
        let mut read = vec![0; 1 << 20];
        let mut octets = 0;
        while octets < 1 << 16 {
            octets += reader.read(&mut read).unwrap();
        }
        slow.write(b"after\n", notice);
        drop(slow);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\n(1 log line was lost: its reader does not keep up)\nafter\n");
    }
}

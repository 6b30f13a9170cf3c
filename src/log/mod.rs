//! The log of a long-running process: where lines are written, lines that cannot be written, and panics.
//!
//! Logging never ends or blocks the program. A line that cannot be written is counted. The count is logged, with the cause, as soon as a
//! line can be written again: before the next line, or when [`lost`] is called.

mod file;
mod panics;
mod sink;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use file::LogFile;
pub use sink::Lost;
use sink::{Output, Sink};

/// Where log lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Stderr,
    /// This file, which also replaces standard error. It is renamed to `NAME.1` before it is too large, so that both files together stay
    /// below 2 MiB.
    File(PathBuf),
}

/// The log of this process, once it has been started.
static LOG: OnceLock<Log> = OnceLock::new();

/// A handle on the log, given to tracing-subscriber and to the panic hook.
#[derive(Clone)]
struct Log {
    sink: Arc<Sink>,
    stamps: Stamps,
}

/// Whether lines begin with a time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamps {
    /// They begin with a time stamp.
    Written,
    /// They do not: the reader adds its own.
    LeftOut,
}

/// Starts the log: writes what passes `filter` to `destination`, and panics of all threads with their backtraces. Lines have no time stamps
/// if systemd adds its own.
pub fn start(filter: EnvFilter, destination: Destination) {
    let of_systemd = destination == Destination::Stderr && std::env::var_os("JOURNAL_STREAM").is_some();
    let stamps = if of_systemd { Stamps::LeftOut } else { Stamps::Written };
    let (output, colours) = match destination {
        Destination::Stderr => (Output::Stream(Box::new(io::stderr())), io::stderr().is_terminal()),
        Destination::File(path) => (Output::File(LogFile::new(path)), false),
    };
    let log = LOG.get_or_init(|| Log { sink: Arc::new(Sink::new(output)), stamps }).clone();
    panics::log_to(log.clone());
    // The layer reports its own errors to standard error by `eprintln!`, which panics if that is closed or full.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .log_internal_errors(false)
        .with_writer(log);
    match stamps {
        Stamps::Written => builder.init(),
        Stamps::LeftOut => builder.without_time().init(),
    }
}

/// The lines that were lost since a line was last written; `None` if none were, or if their number could be logged now.
pub fn lost() -> Option<Lost> {
    let log = LOG.get()?;
    log.sink.lost(|lost| log.notice(lost))
}

/// Why lines cannot be written at present, and how many were lost, for `weft status`; `None` if lines can be written.
pub fn problem() -> Option<String> {
    let lost = lost()?;
    Some(format!("the log cannot be written ({}): {} so far; the router works without it", lost.cause, lost.count()))
}

impl Log {
    /// The log line about lines that were lost.
    fn notice(&self, lost: &Lost) -> String {
        self.line("WARN", &format!("{}: {}", lost.count(), lost.cause))
    }

    /// A line of this module in the format of tracing-subscriber.
    fn line(&self, level: &str, text: &str) -> String {
        let mut line = String::new();
        if self.stamps == Stamps::Written {
            // The only error is that of writing to a String, which never fails.
            let _ = SystemTime.format_time(&mut Writer::new(&mut line));
            line.push(' ');
        }
        line.push_str(&format!("{level:>5} weft::log: {text}\n"));
        line
    }
}

/// One log line. It is written completely or counted as lost; it is never an error.
struct Line<'a>(&'a Log);

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.sink.write(line, |lost| self.0.notice(lost));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

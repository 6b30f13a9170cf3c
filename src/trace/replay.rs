//! Replays a trace through a new engine, and checks that it does what the traced one did.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ospf::{Engine, Input, Instant};

use super::line::{End, FORMAT, Line, Outcome, Start, instant};

/// The longest line that is read, in octets: enough for a configuration with many prefixes.
const MAX_LINE: u64 = 64 << 20;

/// Number of lines that are shown before a difference.
const CONTEXT: usize = 12;

/// The result of a replay.
#[derive(Debug)]
pub struct Verdict {
    /// The first line of the trace.
    pub start: Start,
    /// Number of inputs replayed.
    pub inputs: u64,
    /// Number of outputs that were compared and were equal.
    pub outputs: u64,
    /// The engine's time at the last input.
    pub span: Duration,
    /// How the trace ends.
    pub ending: Ending,
    /// The first difference; nothing after it was compared.
    pub difference: Option<Difference>,
}

/// How a trace ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After a complete line.
    Whole,
    /// At its size limit.
    Limit,
    /// Within a line: the process that wrote it was killed.
    Cut,
}

/// The place where the engine does something else than the traced one.
#[derive(Debug)]
pub struct Difference {
    /// The number of the line in the trace, from 1.
    pub line: u64,
    /// The lines before it, oldest first. The input that caused the outputs is among them.
    pub before: Vec<Line<'static>>,
    /// The output in the trace; `None` = no further output.
    pub traced: Option<Outcome>,
    /// The output of the replaying engine.
    pub replayed: Replayed,
}

/// What the replaying engine did instead.
#[derive(Debug)]
pub enum Replayed {
    /// This output.
    Output(Outcome),
    /// No output.
    Nothing,
    /// It panicked with this message.
    Panic(String),
}

/// Why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("reading the trace")]
    Read(#[from] io::Error),
    /// A line other than the last is not a line of a trace.
    #[error("line {line} is not one of a trace")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// The error of the parser.
        #[source]
        source: serde_json::Error,
    },
    /// The first line is not that of a trace.
    #[error("not a trace: the first line does not say with what the engine began")]
    NoStart,
    /// The trace was written by a later version.
    #[error(
        "the trace has format {0}, and this program reads formats up to {FORMAT}: replay it with the weft that wrote it"
    )]
    Format(u32),
}

/// Replays the trace. Calls `show` with each line and its number before the line is replayed.
///
/// # Errors
/// If it is not a trace that this program can read.
pub fn replay(mut trace: impl BufRead, mut show: impl FnMut(u64, &Line<'_>)) -> Result<Verdict, ReplayError> {
    let mut lines = Lines { trace: &mut trace, number: 0, ending: Ending::Whole };
    let Some(Line::Start(start)) = lines.next()? else { return Err(ReplayError::NoStart) };
    if start.format > FORMAT {
        return Err(ReplayError::Format(start.format));
    }
    show(lines.number, &Line::Start(start.clone()));
    let mut replay = Replay {
        verdict: Verdict {
            start: start.clone(),
            inputs: 0,
            outputs: 0,
            span: Duration::ZERO,
            ending: Ending::Whole,
            difference: None,
        },
        engine: Engine::new(start.config.clone(), start.seed, Instant::ZERO),
        before: VecDeque::new(),
        awaited: VecDeque::new(),
    };
    replay.drain();
    replay.remember(Line::Start(start));
    while let Some(line) = lines.next()? {
        show(lines.number, &line);
        if line == Line::End(End::Limit) {
            lines.ending = Ending::Limit;
            break;
        }
        if let Some(difference) = replay.line(lines.number, line) {
            replay.verdict.difference = Some(difference);
            break;
        }
    }
    // Outputs that were still to come when the trace ended are unknown.
    replay.verdict.ending = lines.ending;
    Ok(replay.verdict)
}

struct Lines<'t, T> {
    trace: &'t mut T,
    number: u64,
    ending: Ending,
}

impl<T: BufRead> Lines<'_, T> {
    /// Reads the next line; `None` at the end, and if the last line is incomplete.
    fn next(&mut self) -> Result<Option<Line<'static>>, ReplayError> {
        let mut text = Vec::new();
        self.trace.take(MAX_LINE).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        match serde_json::from_slice(&text) {
            Ok(line) => Ok(Some(line)),
            Err(_) if text.last() != Some(&b'\n') => {
                self.ending = Ending::Cut;
                Ok(None)
            }
            Err(source) => Err(ReplayError::Line { line: self.number, source }),
        }
    }
}

struct Replay {
    verdict: Verdict,
    engine: Engine,
    /// The last lines read.
    before: VecDeque<Line<'static>>,
    /// Outputs of the engine that the trace has not reached yet.
    awaited: VecDeque<Outcome>,
}

impl Replay {
    /// Replays one line. Returns the difference, if there is one.
    fn line(&mut self, number: u64, line: Line<'static>) -> Option<Difference> {
        let difference = match &line {
            Line::Input { at, what } => match self.awaited.pop_front() {
                Some(more) => Some((None, Replayed::Output(more))),
                None => self.input(instant(*at), what).err().map(|panic| (None, Replayed::Panic(panic))),
            },
            Line::Output(traced) => match self.awaited.pop_front() {
                Some(replayed) if replayed == *traced => {
                    self.verdict.outputs += 1;
                    None
                }
                Some(replayed) => Some((Some(traced.clone()), Replayed::Output(replayed))),
                None => Some((Some(traced.clone()), Replayed::Nothing)),
            },
            // A second first line does not concern the first engine.
            Line::Start(_) | Line::End(End::Limit) => None,
        };
        if matches!(difference, None | Some((_, Replayed::Panic(_)))) {
            self.remember(line);
        }
        let (traced, replayed) = difference?;
        Some(Difference { line: number, before: self.before.drain(..).collect(), traced, replayed })
    }

    fn input(&mut self, at: Instant, what: &Input<'_>) -> Result<(), String> {
        // The engine is not used any more after a panic.
        catch_unwind(AssertUnwindSafe(|| self.engine.handle(at, what.clone()))).map_err(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
        })?;
        self.verdict.inputs += 1;
        self.verdict.span = at.since_origin();
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.awaited.extend(Outcome::of(&output, |_, packet| packet.to_vec()));
        }
    }

    fn remember(&mut self, line: Line<'static>) {
        if self.before.len() == CONTEXT {
            self.before.pop_front();
        }
        self.before.push_back(line);
    }
}

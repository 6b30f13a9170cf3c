//! `weft replay`: replays the trace of a router.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::Outcome;
use crate::trace::story::Story;
use crate::trace::{Difference, Ending, Replayed, Verdict, replay};

/// Replay a trace of `weft run --trace` through a fresh engine, and compare what comes out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace.
    file: PathBuf,
    /// Print a line for each input and output.
    #[arg(long)]
    print: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let file = File::open(&self.file).with_context(|| format!("opening {}", self.file.display()))?;
        let mut stdout = io::stdout().lock();
        let mut story = Story::default();
        let mut printed = Ok(());
        let verdict = replay(BufReader::new(file), |_, line| {
            let words = story.describe(line);
            if self.print && printed.is_ok() {
                printed = writeln!(stdout, "{words}");
            }
        });
        let verdict = verdict.with_context(|| format!("replaying {}", self.file.display()))?;
        match printed.and_then(|()| stdout.write_all(conclusion(&verdict, &mut story).as_bytes())) {
            // A reader that has closed stdout is no error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.context("writing to stdout")?,
        }
        Ok(if verdict.difference.is_none() { Outcome::Good } else { Outcome::NotGood })
    }
}

fn conclusion(verdict: &Verdict, story: &mut Story) -> String {
    let Verdict { inputs, outputs, span, .. } = verdict;
    let mut text = match &verdict.difference {
        None => format!("the same: {inputs} inputs and {outputs} outputs in {:.1} s\n", span.as_secs_f64()),
        Some(difference) => differs(difference, story),
    };
    match verdict.ending {
        Ending::Whole => {}
        Ending::Limit => text.push_str("the trace ends because it had become as large as it may\n"),
        Ending::Cut => text.push_str("the trace ends within a line: whoever wrote it was killed\n"),
    }
    let (wrote, reads) = (&verdict.start.version, env!("CARGO_PKG_VERSION"));
    if wrote != reads {
        text.push_str(&format!("the trace was written by weft {wrote}, and this is weft {reads}\n"));
    }
    text
}

fn differs(difference: &Difference, story: &mut Story) -> String {
    let mut text = format!("different at line {}:\n", difference.line);
    for line in &difference.before {
        text.push_str(&format!("  {}\n", story.describe(line)));
    }
    match &difference.traced {
        Some(traced) => text.push_str(&format!("- traced:    {}\n", story.outcome(traced))),
        None => text.push_str("- traced:    nothing more\n"),
    }
    match &difference.replayed {
        Replayed::Output(outcome) => text.push_str(&format!("+ replayed:  {}\n", story.outcome(outcome))),
        Replayed::Nothing => text.push_str("+ replayed:  nothing\n"),
        Replayed::Panic(message) => text.push_str(&format!("+ replayed:  the engine panicked: {message}\n")),
    }
    if let (Some(traced), Replayed::Output(replayed)) = (&difference.traced, &difference.replayed) {
        text.push_str(&format!("- {traced:?}\n+ {replayed:?}\n"));
    }
    text
}

//! Output for a person who watches: permanent lines, and on a terminal one line that changes while something takes time.

use std::io::{self, IsTerminal as _, Write as _};

/// Standard output. Failing to write is no error: a lab must be taken down even if the reader has gone.
#[derive(Debug)]
pub struct Console {
    kind: Kind,
    /// Whether a changing line is on the screen.
    pending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Terminal,
    Plain,
}

impl Console {
    /// Standard output.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { kind: if terminal { Kind::Terminal } else { Kind::Plain }, pending: false }
    }

    /// Prints a line that stays.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let clear = self.clear();
        let _ = writeln!(io::stdout(), "{clear}{}", text.as_ref());
    }

    /// Shows the progress of something; the next line or progress replaces it. Prints nothing if the output is not a terminal.
    pub fn progress(&mut self, text: impl AsRef<str>) {
        if self.kind == Kind::Terminal {
            let clear = self.clear();
            let mut out = io::stdout();
            let _ = write!(out, "{clear}\x1b[2m{}\x1b[0m", text.as_ref());
            let _ = out.flush();
            self.pending = true;
        }
    }

    fn clear(&mut self) -> &'static str {
        // Back to the first column, and erase to the end of the line (ECMA-48 EL).
        if std::mem::take(&mut self.pending) { "\r\x1b[K" } else { "" }
    }
}

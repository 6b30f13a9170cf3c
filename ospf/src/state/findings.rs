//! Violations of the invariants of the engine's state: see [`crate::Engine::check`].

use std::fmt;

/// The most violations that are reported; only the first ones are kept.
pub const MAX_VIOLATIONS: usize = 20;

/// An invariant that is violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, as a sentence.
    pub rule: &'static str,
    /// Where it is violated, and what was found instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant violated: {} ({})", self.rule, self.found)
    }
}

/// The violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    pub(crate) fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// Whether no violation was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks an invariant: `found` describes the violation if `holds` is false.
    pub(crate) fn demand(&mut self, holds: bool, rule: &'static str, found: impl FnOnce() -> String) {
        if !holds && self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation { rule, found: found() });
        }
    }
}

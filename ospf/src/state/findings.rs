//! What the invariants of the state are found to be violated by: see [`crate::Engine::violations`].

use std::fmt;

/// At most so many violations are told; the first ones tell.
pub const MAX_VIOLATIONS: usize = 20;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, a sentence.
    pub rule: &'static str,
    /// Where, and what was found instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so: {} ({})", self.rule, self.found)
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    pub(crate) fn into_result(self) -> Result<(), Vec<Violation>> {
        if self.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// Whether every rule held.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds a rule against the facts.
    pub(crate) fn demand(&mut self, holds: bool, rule: &'static str, found: impl FnOnce() -> String) {
        if !holds && self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation { rule, found: found() });
        }
    }
}

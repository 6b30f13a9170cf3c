//! What is wrong with a mesh file, and how it is shown: file, line, column, the line itself, a caret under the token,
//! and what would be right. Owns the presentation; knows nothing of meshes.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// The most diagnostics that are rendered; of the rest only the number is said.
const MAX_RENDERED: usize = 100;

/// The most characters of the file that are repeated inside a message.
const MAX_QUOTED: usize = 60;

/// A stretch of the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The file is refused.
    Error,
    /// The file is used.
    Warning,
}

/// What a diagnostic rests on. Where a syntax error has swallowed text, what is absent proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    Presence,
    Absence,
    /// On a syntax error after which nothing is known.
    Remainder,
}

/// How to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Text only.
    Plain,
    /// With terminal colours.
    Coloured,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    span: Span,
    text: String,
}

/// One finding about a mesh file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagnostic {
    severity: Severity,
    basis: Basis,
    title: String,
    at: Label,
    notes: Vec<Label>,
    help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`: `title` says what is wrong, `label` stands beside the caret.
    pub(super) fn error(span: Span, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            basis: Basis::Presence,
            title: title.into(),
            at: Label { span, text: label.into() },
            notes: Vec::new(),
            help: None,
        }
    }

    /// As [`Diagnostic::error`] for what does not keep the file from being used.
    pub(super) fn warning(span: Span, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, title, label) }
    }

    /// Points at a second place that has to do with it.
    pub(super) fn note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push(Label { span, text: text.into() });
        self
    }

    /// Says what would be right.
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Marks a finding that rests on something not being in the file.
    pub(super) fn of_absence(mut self) -> Self {
        self.basis = Basis::Absence;
        self
    }

    /// Marks a syntax error after which nothing is known.
    pub(super) fn of_remainder(mut self) -> Self {
        self.basis = Basis::Remainder;
        self
    }

    pub(super) fn basis(&self) -> Basis {
        self.basis
    }

    pub(super) fn severity(&self) -> Severity {
        self.severity
    }

    pub(super) fn span(&self) -> Span {
        self.at.span
    }

    fn render(&self, renderer: &Renderer, file_name: &str, text: &str) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let labels = std::iter::once((AnnotationKind::Primary, &self.at))
            .chain(self.notes.iter().map(|note| (AnnotationKind::Context, note)))
            .map(|(kind, label)| kind.span(label.span.range()).label(label.text.as_str()));
        let snippet = Snippet::source(text).path(file_name).annotations(labels);
        let mut group = Group::with_title(level.primary_title(self.title.as_str())).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// The findings about one file, in the order in which the file gives rise to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// `list` about `text`, which is called `file_name` towards the user.
    pub(super) fn new(file_name: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|diagnostic| diagnostic.at.span);
        Self { file_name: file_name.to_owned(), text: text.to_owned(), list }
    }

    /// What the file is called towards the user.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Number of findings.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them as text, a blank line between two, no newline at the end.
    pub fn render(&self, look: Look) -> String {
        let renderer = match look {
            Look::Plain => Renderer::plain(),
            Look::Coloured => Renderer::styled(),
        };
        let mut parts: Vec<String> = self
            .list
            .iter()
            .take(MAX_RENDERED)
            .map(|diagnostic| diagnostic.render(&renderer, &self.file_name, &self.text))
            .collect();
        if let Some(rest) = self.list.len().checked_sub(MAX_RENDERED).filter(|rest| *rest > 0) {
            parts.push(format!("… and {rest} more"));
        }
        parts.join("\n\n")
    }
}

/// A finding for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding<'d> {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What it is, in one line.
    pub title: &'d str,
    /// Where, and what about this place.
    #[serde(flatten)]
    pub place: Place<'d>,
    /// Further places that have to do with it.
    pub notes: Vec<Place<'d>>,
    /// What would be right.
    pub help: Option<&'d str>,
}

/// A place in a mesh file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place<'d> {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is said about it.
    pub label: &'d str,
}

impl Diagnostics {
    /// All of them, for programs.
    pub fn findings(&self) -> impl Iterator<Item = Finding<'_>> {
        let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines: Vec<usize> = std::iter::once(0).chain(newlines).collect();
        self.list.iter().map(move |diagnostic| Finding {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            title: &diagnostic.title,
            place: self.place(&lines, &diagnostic.at),
            notes: diagnostic.notes.iter().map(|note| self.place(&lines, note)).collect(),
            help: diagnostic.help.as_deref(),
        })
    }

    /// `lines` are the first bytes of all lines.
    fn place<'d>(&self, lines: &[usize], label: &'d Label) -> Place<'d> {
        let line = lines.partition_point(|start| *start <= label.span.start);
        let column = 1 + self.text[lines[line - 1]..label.span.start].chars().count();
        Place { line, column, label: &label.text }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Look::Plain))
    }
}

impl std::error::Error for Diagnostics {}

/// Text of the file for use inside a message: in backquotes, escaped, cut.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let cut: String = text.chars().take(MAX_QUOTED).flat_map(|c| c.escape_debug()).collect();
    let dots = if text.chars().nth(MAX_QUOTED).is_some() { "…" } else { "" };
    format!("`{cut}{dots}`")
}

/// The candidate that `word` is most likely a slip of.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST_WORD: usize = 80;
    if word.len() > LONGEST_WORD {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits from `word` to `candidate`; none where only the case differs, one where `word` is its beginning.
fn distance(word: &str, candidate: &str) -> usize {
    const SHORTEST_BEGINNING: usize = 3;
    if word.eq_ignore_ascii_case(candidate) {
        0
    } else if word.len() >= SHORTEST_BEGINNING && candidate.starts_with(word) {
        1
    } else {
        strsim::damerau_levenshtein(word, candidate)
    }
}

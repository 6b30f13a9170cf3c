//! Errors and warnings about a mesh file, and their presentation: file, line, column, the line itself, a caret under the token, and what
//! would be correct. This module formats them; it does not know the contents of mesh files.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// The most diagnostics that are rendered; only the number of the others is shown.
const MAX_RENDERED: usize = 100;

/// The most characters of the file that are quoted inside a message.
const MAX_QUOTED: usize = 60;

/// A range of the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
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

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The file is refused.
    Error,
    /// The file is used.
    Warning,
}

/// The evidence for a diagnostic. After a syntax error part of the file may be missing, so that absence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    Presence,
    Absence,
    /// A syntax error, after which nothing of the file is known.
    Remainder,
}

/// The style in which diagnostics are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Plain text.
    Plain,
    /// Text with terminal colours.
    Coloured,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    span: Span,
    text: String,
}

/// One error or warning about a mesh file.
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
    /// An error at `span`: `title` is the message, `label` is shown beside the caret.
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

    /// A warning: like [`Diagnostic::error`], but the file is used.
    pub(super) fn warning(span: Span, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, title, label) }
    }

    /// Adds a related position with a label.
    pub(super) fn note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push(Label { span, text: text.into() });
        self
    }

    /// Adds a help message: what would be correct.
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Marks a diagnostic whose evidence is that something is not in the file.
    pub(super) fn of_absence(mut self) -> Self {
        self.basis = Basis::Absence;
        self
    }

    /// Marks a syntax error after which nothing of the file is known.
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

/// The diagnostics about one file, ordered by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Makes the diagnostics in `list` about `text`, the contents of `file_name` as messages call it.
    pub(super) fn new(file_name: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|diagnostic| diagnostic.at.span);
        Self { file_name: file_name.to_owned(), text: text.to_owned(), list }
    }

    /// The name of the file in messages.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The number of diagnostics.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no diagnostics.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Renders all diagnostics as text, with a blank line between two and no newline at the end.
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

/// A diagnostic in a machine-readable form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding<'d> {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The message, in one line.
    pub title: &'d str,
    /// Its position, and the label there.
    #[serde(flatten)]
    pub place: Place<'d>,
    /// Related positions.
    pub notes: Vec<Place<'d>>,
    /// What would be correct.
    pub help: Option<&'d str>,
}

/// A position in a mesh file, with a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place<'d> {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The label of this position.
    pub label: &'d str,
}

impl Diagnostics {
    /// The diagnostics in a machine-readable form.
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

    /// The line and column of a label; `lines` holds the offset of the first byte of each line.
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

/// Quotes text of the file for a message: in backquotes, escaped, and cut to a maximum length.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let cut: String = text.chars().take(MAX_QUOTED).flat_map(|c| c.escape_debug()).collect();
    let dots = if text.chars().nth(MAX_QUOTED).is_some() { "…" } else { "" };
    format!("`{cut}{dots}`")
}

/// The candidate that is most similar to `word`; `None` if none is similar enough to suggest.
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

/// The number of edits from `word` to `candidate`: zero if only the case differs, one if `word` is the beginning of `candidate`.
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

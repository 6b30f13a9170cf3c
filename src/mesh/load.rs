//! Reads and checks the text of a mesh file: the result is a [`Mesh`], or all errors of the file.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{Basis, Diagnostic, Diagnostics, Span};
use super::draft::Draft;
use super::general::Topology;
use super::link::pairs;
use super::model::{Mesh, Site, Tunnel};
use super::reader::{Report, Table};
use super::schema::{FILE, is_list};
use super::{
    addressing, areas, default_originate, existing_bridge, identity, lab_names, listed_prefix, ports, router_links,
    segment_hosts, segment_ports, segments, speakers,
};
use crate::input_file::{self, Accept};

/// Size of the largest mesh file that is read, in bytes. This is several times the size of a file with ten thousand sites.
pub const MAX_FILE: u64 = 16 << 20;

/// A mesh file without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The network that it describes.
    pub mesh: Mesh,
    /// Warnings for the operator; often empty.
    pub warnings: Diagnostics,
}

/// Why a mesh file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("reading the mesh file {path}")]
    Read {
        /// Path as the user gave it.
        path: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is longer than [`MAX_FILE`].
    #[error("the mesh file {path} is longer than {MAX_FILE} bytes")]
    TooLong {
        /// Path as the user gave it.
        path: String,
    },
    /// The file has errors.
    #[error(transparent)]
    Wrong(#[from] Diagnostics),
}

/// Reads and checks the mesh file at `path`.
///
/// # Errors
/// If the file cannot be read, or has errors: then with all of them.
pub fn load(path: &Path, accept: Accept) -> Result<Parsed, LoadError> {
    let text = read(path, accept)?;
    Ok(parse(&path.display().to_string(), &text)?)
}

/// Reads the text of the mesh file at `path`.
///
/// # Errors
/// If the file cannot be read, is too long, or is not UTF-8.
pub fn read(path: &Path, accept: Accept) -> Result<String, LoadError> {
    let name = path.display().to_string();
    match input_file::open(path, accept) {
        Ok(file) => read_from(file, &name),
        Err(source) => Err(LoadError::Read { path: name, source }),
    }
}

/// Reads the text of a mesh file from `source`. Errors call the file `name`.
///
/// # Errors
/// If `source` cannot be read, is too long, or is not UTF-8.
pub fn read_from(source: impl io::Read, name: &str) -> Result<String, LoadError> {
    let name = name.to_owned();
    let mut bytes = Vec::new();
    source
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| LoadError::Read { path: name.clone(), source })?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(LoadError::TooLong { path: name });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        not_utf8(&name, error.as_bytes(), at).into()
    })
}

/// Checks the text of a mesh file. Errors call the file `file_name`.
///
/// # Errors
/// All errors of the text, in the order of the file.
pub fn parse(file_name: &str, text: &str) -> Result<Parsed, Diagnostics> {
    let (document, faults) = DeTable::parse_recoverable(text);
    let syntax = syntax_errors(text, &faults);
    if let Some(first) = syntax.iter().position(|error| is_header(text, error.span())) {
        // The section to which the following lines belong is unknown: from here on, only errors of further headers are reported.
        let own =
            |(index, error): (usize, Diagnostic)| (index <= first || is_header(text, error.span())).then_some(error);
        let syntax = syntax.into_iter().enumerate().filter_map(own).collect();
        return Err(Diagnostics::new(file_name, text, syntax));
    }
    let mut report = Report::default();
    // A missing section is reported at the end of the file.
    let end = text.trim_end().len();
    let mesh = understand(Table::new(&FILE, Span { start: end, end }, document.get_ref()), &mut report);
    let (errors, warnings) = report.split();
    let errors = with_syntax_errors(text, syntax, errors);
    match mesh {
        Some(mesh) if errors.is_empty() => {
            debug_assert!(are_distinct(&mesh.sites), "two sites with the same name, id, key or loopback");
            debug_assert!(mesh.sites.iter().all(|site| are_apart(&mesh.tunnels(site))), "two tunnels in one place");
            Ok(Parsed { mesh, warnings: Diagnostics::new(file_name, text, warnings) })
        }
        _ => {
            assert!(!errors.is_empty(), "a mesh file is refused with a reason");
            Err(Diagnostics::new(file_name, text, errors))
        }
    }
}

/// Whether nothing that identifies a site identifies another one.
fn are_distinct(sites: &[Site]) -> bool {
    let distinct = |count: usize| count == sites.len();
    distinct(sites.iter().map(|site| &site.name).collect::<BTreeSet<_>>().len())
        && distinct(sites.iter().map(|site| site.id).collect::<BTreeSet<_>>().len())
        && distinct(sites.iter().map(|site| site.public_key).collect::<BTreeSet<_>>().len())
        && distinct(sites.iter().map(|site| site.loopback).collect::<BTreeSet<_>>().len())
}

/// Whether no two tunnels of a site have the same interface, UDP port or other end.
fn are_apart(tunnels: &[Tunnel]) -> bool {
    let distinct = |count: usize| count == tunnels.len();
    distinct(tunnels.iter().map(|tunnel| &tunnel.interface).collect::<BTreeSet<_>>().len())
        && distinct(tunnels.iter().map(|tunnel| tunnel.listen_port).collect::<BTreeSet<_>>().len())
        && distinct(tunnels.iter().map(|tunnel| tunnel.peer_id).collect::<BTreeSet<_>>().len())
}

fn understand(file: Table<'_>, report: &mut Report) -> Option<Mesh> {
    let draft = Draft::read(file, report);
    identity::check(&draft.sites, &draft.segments, report);
    lab_names::check(&draft.sites, &draft.links, &draft.segments, report);
    addressing::check(&draft, report);
    listed_prefix::check(&draft.sites, report);
    // If the topology is wrong, the listed links are checked nevertheless.
    let topology = draft.general.topology();
    let pairs = pairs(topology.unwrap_or(Topology::Explicit), &draft.sites, &draft.links, report);
    ports::check(&draft.general.tunnels, &draft.sites, &pairs, &draft.links, &draft.segments, report);
    let resolved = draft.resolve(report);
    areas::check(&draft, &resolved, &pairs, report);
    default_originate::check(&draft.general, &draft.sites, report);
    router_links::check(&draft, &resolved, &pairs, report);
    speakers::check(&draft, &resolved, report);
    segments::check(&draft, report);
    existing_bridge::check(&draft.segments, report);
    segment_ports::check(&draft.sites, &draft.segments, report);
    segment_hosts::check(&draft.sites, &draft.segments, report);
    topology.and_then(|_| draft.assemble(&resolved, &pairs))
}

/// The syntax errors, and those other errors that do not follow from them. Where the parser has skipped text, nothing is known about the
/// rest of the line, nor about what the file lacks.
fn with_syntax_errors(text: &str, syntax: Vec<Diagnostic>, others: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if syntax.is_empty() {
        return others;
    }
    // The text of a line with a syntax error, or of an array that is not closed, may mean something else.
    let lost: Vec<Span> = syntax
        .iter()
        .map(|error| match error.basis() {
            Basis::Remainder => Span { start: error.span().start, end: text.len() },
            Basis::Presence | Basis::Absence => error.span(),
        })
        .collect();
    let is_lost = |at: usize| {
        let line = line_start(text, at);
        lost.iter().any(|span| (line_start(text, span.start)..=line_start(text, span.end)).contains(&line))
    };
    let stands = |error: &Diagnostic| error.basis() == Basis::Presence && !is_lost(error.span().start);
    let others = others.into_iter().filter(stands);
    syntax.into_iter().chain(others.collect::<Vec<_>>()).collect()
}

/// The parser's errors as diagnostics: the first of each line, since the others of a line mostly follow from it, and none after an
/// array that is not closed.
fn syntax_errors(text: &str, faults: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut faults: Vec<(Span, &str)> = faults
        .iter()
        .map(|fault| (Span::from(fault.span().unwrap_or(text.len()..text.len())), fault.message()))
        .collect();
    faults.sort_by_key(|(span, _)| *span);
    let mut lines = BTreeSet::new();
    let mut errors = Vec::new();
    for (span, message) in faults {
        if lines.insert(line_start(text, span.start)) {
            let error = syntax_error(text, span, message);
            let is_last = error.basis() == Basis::Remainder;
            errors.push(error);
            if is_last {
                break;
            }
        }
    }
    errors
}

fn syntax_error(text: &str, span: Span, message: &str) -> Diagnostic {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    if let Some(bracket) = open_array(text, span) {
        return Diagnostic::error(bracket, "syntax error: unclosed array", "this array is not closed")
            .note(span, "this line is no element of it")
            .help("add the `]` that ends it")
            .of_remainder();
    }
    if what == "duplicate key" && is_header(text, span) {
        let name = line_of(text, span.start).trim().trim_matches(['[', ']']).trim();
        let help = match is_list(name) {
            true => format!("write `[[{name}]]`, here and above: there may be several of these"),
            false => format!("write one section `[{name}]`"),
        };
        return Diagnostic::error(span, format!("syntax error: a second section `{name}`"), "again").help(help);
    }
    let (label, help) = match what {
        "duplicate key" => ("again in the same section", "write each key once".to_owned()),
        "string values must be quoted" => {
            ("not a value", "write a string in double quotes, a number, `true` or `false`".to_owned())
        }
        _ if expected.is_empty() => ("not TOML", "see https://toml.io for what may stand here".to_owned()),
        _ => ("not TOML", format!("expected {expected} here")),
    };
    Diagnostic::error(span, format!("syntax error: {what}"), label).help(help)
}

/// Finds the opening bracket of an array that is not closed before the line of `at`, if that line is not an element of the array, but a
/// section or a key with its value.
fn open_array(text: &str, at: Span) -> Option<Span> {
    let line = line_of(text, at.start).trim_start();
    let is_key = |name: &str| {
        let name = name.trim();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if !line.starts_with('[') && !line.split_once('=').is_some_and(|(name, _)| is_key(name)) {
        return None;
    }
    let mut end = line_start(text, at.start);
    let stop = end;
    while end > 0 {
        let start = line_start(text, end - 1);
        if let Some((name, value)) = text[start..end].split_once('=')
            && is_key(name)
        {
            let bracket = start + name.len() + 1 + (value.len() - value.trim_start().len());
            return is_open(&text[bracket..stop]).then_some(Span { start: bracket, end: bracket + 1 });
        }
        end = start;
    }
    None
}

/// Whether `text` begins with the bracket of an array that does not end within `text`.
fn is_open(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut is_comment = false;
    let mut is_escaped = false;
    for character in text.chars() {
        match (quote, character) {
            _ if is_comment => is_comment = character != '\n',
            (Some('"'), _) if is_escaped => is_escaped = false,
            (Some('"'), '\\') => is_escaped = true,
            // A string that is not closed ends with its line: its error has been reported already.
            (Some(open), _) if open == character || character == '\n' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') => is_comment = true,
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth == 0 {
            return false;
        }
    }
    depth > 0
}

/// Byte offset of the beginning of the line that contains byte `at`.
fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// Whether `span` begins in the header of a section.
fn is_header(text: &str, span: Span) -> bool {
    line_of(text, span.start).trim_start().starts_with('[')
}

fn line_of(text: &str, at: usize) -> &str {
    text[line_start(text, at)..].lines().next().unwrap_or_default()
}

fn not_utf8(name: &str, bytes: &[u8], at: usize) -> Diagnostics {
    // The first invalid byte becomes U+FFFD, so that offsets up to it stay valid.
    let text = String::from_utf8_lossy(bytes);
    let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
    let error = Diagnostic::error(span, "not UTF-8", "not UTF-8").help("a mesh file is text in UTF-8");
    Diagnostics::new(name, &text, vec![error])
}

//! Reads the parsed TOML by key, and reports wrong types, missing keys and unknown keys. Reading continues after an error, so that one
//! run finds all of them. This module knows types and positions, not the meaning of values.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Severity, Span, nearest, quoted};
use super::schema::{Section, sections_with};

/// The diagnostics so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Splits the diagnostics into errors and warnings, each in the order of discovery.
    pub fn split(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        self.diagnostics.into_iter().partition(|diagnostic| diagnostic.severity() == Severity::Error)
    }
}

/// A value and its position in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Span,
}

/// An optional key of a section.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Setting<T> {
    /// The section does not have the key.
    #[default]
    Absent,
    /// The value is wrong, which has been reported; checks that need the value report nothing.
    Wrong,
    /// The value is valid.
    Given(At<T>),
}

/// A setting after defaults: the value, and the position that sets it, `None` for weft's own default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effective<T> {
    pub value: T,
    pub from: Option<Span>,
}

impl<T> Setting<T> {
    /// Reads an entry that may be absent with `read`.
    pub fn read<'a>(entry: Option<Entry<'a>>, read: impl FnOnce(Entry<'a>) -> Option<At<T>>) -> Self {
        match entry.map(read) {
            None => Self::Absent,
            Some(None) => Self::Wrong,
            Some(Some(at)) => Self::Given(at),
        }
    }

    /// The value if it is given and valid.
    pub fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// Applies `f` to the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Absent => Setting::Absent,
            Self::Wrong => Setting::Wrong,
            Self::Given(At { value, span }) => Setting::Given(At { value: f(value), span }),
        }
    }

    /// This setting, or `base` if this one is absent.
    pub fn or(self, base: Self) -> Self {
        match self {
            Self::Absent => base,
            given_or_wrong => given_or_wrong,
        }
    }

    /// The value if it is given; the outer `None` means that it is wrong.
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Wrong => None,
            Self::Given(At { value, .. }) => Some(Some(value)),
        }
    }

    /// The value, or `default` if it is absent; `None` if it is wrong.
    pub fn effective(self, default: T) -> Option<Effective<T>> {
        match self {
            Self::Absent => Some(Effective { value: default, from: None }),
            Self::Wrong => None,
            Self::Given(At { value, span }) => Some(Effective { value, from: Some(span) }),
        }
    }
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'a> {
    section: &'static Section,
    /// The position of its header, or of the braces of an inline table.
    pub span: Span,
    entries: &'a DeTable<'a>,
    taken: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub fn new(section: &'static Section, span: Span, entries: &'a DeTable<'a>) -> Self {
        Self { section, span, entries, taken: Vec::new() }
    }

    /// Takes the entry of `key`, if the file has it.
    pub fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        debug_assert!(self.section.has(key), "{key} is not in the schema of {}", self.section.title);
        self.taken.push(key);
        let (name, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Entry { key, key_span: name.span().into(), span: value.span().into(), value: value.get_ref() })
    }

    /// Takes the entry of `key`; if it is missing, reports that with `example`, a correct line.
    pub fn require(&mut self, key: &'static str, example: &str, report: &mut Report) -> Option<Entry<'a>> {
        let entry = self.take(key);
        if entry.is_none() {
            let title = self.section.title;
            report.push(
                Diagnostic::error(
                    self.span,
                    format!("{title} has no `{key}`"),
                    format!(
                        "`{key}` is missing {}",
                        if title.starts_with("`[") { "below this line" } else { "in here" }
                    ),
                )
                .help(format!("add `{example}`"))
                .of_absence(),
            );
        }
        entry
    }

    /// Reports every key that the section does not have. It must be called after all keys of the section have been taken.
    pub fn finish(self, report: &mut Report) {
        debug_assert!(
            self.section.names().all(|key| self.taken.contains(&key)),
            "a key of {} was never looked at",
            self.section.title
        );
        for (name, _) in self.entries {
            if !self.section.has(name.get_ref()) {
                report.push(self.unknown(name.get_ref(), name.span().into()));
            }
        }
    }

    fn unknown(&self, key: &str, span: Span) -> Diagnostic {
        let title = self.section.title;
        let elsewhere = sections_with(key);
        let help = if !elsewhere.is_empty() {
            format!("`{key}` is a key of {}", elsewhere.join(", "))
        } else if let Some(right) = nearest(key, self.section.names()) {
            format!("did you mean `{right}`?")
        } else {
            format!("the keys of {title} are {}", list(self.section.names()))
        };
        Diagnostic::error(span, format!("unknown key {}", quoted(key)), format!("not a key of {title}")).help(help)
    }
}

/// A key and its value, whose type has not been checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub key: &'static str,
    pub key_span: Span,
    pub span: Span,
    pub value: &'a DeValue<'a>,
}

impl<'a> Entry<'a> {
    /// Reads a string; `example` is a correct line for messages.
    pub fn string(&self, example: &str, report: &mut Report) -> Option<At<&'a str>> {
        let text = self.value.as_str();
        if text.is_none() {
            report.push(self.wrong_type("a string", example));
        }
        Some(At { value: text?, span: self.span })
    }

    /// Reads the name of a file; `example` is a correct line for messages.
    pub fn file(&self, example: &str, report: &mut Report) -> Option<At<&'a str>> {
        let path = self.string(example, report)?;
        if path.value.is_empty() || path.value.contains('\0') {
            let title = format!("{} is not a file", quoted(path.value));
            report
                .push(Diagnostic::error(path.span, title, "no file has this name").help(format!("write `{example}`")));
            return None;
        }
        Some(path)
    }

    /// Reads an integer within `bounds`; `why` gives the reason of the bounds.
    pub fn number<T>(&self, bounds: RangeInclusive<T>, why: &str, report: &mut Report) -> Option<At<T>>
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        let (low, high) = (bounds.start(), bounds.end());
        let Some(integer) = self.value.as_integer() else {
            let help = format!("write `{} = N` with N in {low}..={high}", self.key);
            report.push(self.wrong_type("an integer", "").help(help));
            return None;
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.and_then(|value| T::try_from(value).ok()).filter(|value| bounds.contains(value));
        if value.is_none() {
            report.push(
                Diagnostic::error(
                    self.span,
                    format!("`{}` is out of range", self.key),
                    format!("not in {low}..={high}"),
                )
                .help(why),
            );
        }
        Some(At { value: value?, span: self.span })
    }

    /// Reads a boolean: `yes` for `true`, `no` for `false`.
    pub fn boolean<T>(&self, yes: T, no: T, report: &mut Report) -> Option<At<T>> {
        let Some(given) = self.value.as_bool() else {
            report.push(self.wrong_type("a boolean", &format!("{} = true", self.key)));
            return None;
        };
        Some(At { value: if given { yes } else { no }, span: self.span })
    }

    /// Reads one of `words`.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], report: &mut Report) -> Option<At<T>> {
        let example = format!("{} = \"{}\"", self.key, words.first().map_or("", |(word, _)| *word));
        let given = self.string(&example, report)?;
        let found = words.iter().find(|(word, _)| *word == given.value).map(|(_, value)| *value);
        if found.is_none() {
            let names = || words.iter().map(|(word, _)| *word);
            let help = match nearest(given.value, names()) {
                Some(right) => format!("did you mean `\"{right}\"`?"),
                None => format!("use one of {}", list(names())),
            };
            let title = format!("`{}` cannot be {}", self.key, quoted(given.value));
            report.push(Diagnostic::error(self.span, title, "not one of its values").help(help));
        }
        Some(At { value: found?, span: self.span })
    }

    /// Reads the elements of an array.
    pub fn elements(&self, example: &str, report: &mut Report) -> Option<Vec<Entry<'a>>> {
        let Some(array) = self.value.as_array() else {
            report.push(self.wrong_type("an array", example));
            return None;
        };
        let element = |value: &'a toml::Spanned<DeValue<'a>>| Entry {
            key: self.key,
            key_span: self.key_span,
            span: value.span().into(),
            value: value.get_ref(),
        };
        Some(array.iter().map(element).collect())
    }

    /// Reads a table with a header.
    pub fn table(&self, section: &'static Section, report: &mut Report) -> Option<Table<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            let title = format!("`{}` is {}, not {}", self.key, kind(self.value), section.title);
            report.push(
                Diagnostic::error(self.key_span, title, "has to be a table")
                    .help(format!("begin it with a line {}", section.title)),
            );
        }
        Some(Table::new(section, self.span, table?))
    }

    /// Reads a table in braces; `example` is a correct line for messages.
    pub fn inline(&self, section: &'static Section, example: &str, report: &mut Report) -> Option<Table<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            report.push(self.wrong_type("a table in braces", example));
        }
        Some(Table::new(section, self.span, table?))
    }

    /// Reads a table in braces whose keys are names from the file, not from the schema; `example` is a correct line for messages.
    pub fn by_name(&self, example: &str, report: &mut Report) -> Option<Vec<(At<&'a str>, Entry<'a>)>> {
        let Some(table) = self.value.as_table() else {
            report.push(self.wrong_type("a table in braces", example));
            return None;
        };
        let named = |(name, value): (&'a toml::Spanned<toml::de::DeString<'a>>, &'a toml::Spanned<DeValue<'a>>)| {
            let at = At { value: name.get_ref().as_ref(), span: name.span().into() };
            (at, Entry { key: self.key, key_span: at.span, span: value.span().into(), value: value.get_ref() })
        };
        Some(table.iter().map(named).collect())
    }

    /// Reads an array of tables in braces; elements that are not tables are reported and omitted.
    pub fn inlines(&self, section: &'static Section, example: &str, report: &mut Report) -> Vec<Table<'a>> {
        let elements = self.elements(example, report).unwrap_or_default();
        elements.iter().filter_map(|element| element.inline(section, example, report)).collect()
    }

    /// Reads an array of tables; elements that are not tables are reported and omitted.
    pub fn tables(&self, section: &'static Section, report: &mut Report) -> Vec<Table<'a>> {
        let help = format!("begin each with a line {}", section.title);
        let Some(array) = self.value.as_array() else {
            let span = if self.value.is_table() { self.span } else { self.key_span };
            let title = format!("`{}` is {}, not a list of {}", self.key, kind(self.value), section.title);
            report.push(Diagnostic::error(span, title, "there may be several of these").help(help));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in array.iter() {
            let span = value.span().into();
            match value.get_ref().as_table() {
                Some(entries) => tables.push(Table::new(section, span, entries)),
                None => {
                    let title = format!("{} is not {}", kind(value.get_ref()), section.title);
                    report.push(Diagnostic::error(span, title, "has to be a table").help(help.as_str()));
                }
            }
        }
        tables
    }

    /// The error that the value is not `expected`; `example` is a correct line.
    pub fn wrong_type(&self, expected: &str, example: &str) -> Diagnostic {
        let found = kind(self.value);
        Diagnostic::error(
            self.span,
            format!("`{}` is {found}, not {expected}", self.key),
            format!("has to be {expected}"),
        )
        .help(format!("write `{example}`"))
    }

    /// The error that a documented feature does not exist yet.
    pub fn not_available(&self, what: &str) -> Diagnostic {
        Diagnostic::error(self.span, format!("{what} is not available in this version"), "not available")
    }
}

/// The type of a value, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Joins words in backquotes with commas.
pub(super) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

//! The schema of the mesh file: which keys each section has, what kind of value each of them takes, and what holds where it is left out.
//!
//! One table serves three readers. [`reader`](super::reader) refuses keys that it does not have, `weft schema` prints it as a JSON Schema
//! ([`json`]), and docs/mesh-file.md has it as tables. It describes values, it does not check them: the reader of each key does that, and
//! the tests of this module hold the two together.

mod json;
mod sections;
#[cfg(test)]
mod tests;

pub use json::json_schema;
pub(super) use sections::*;

/// A section of the file, or a table in braces.
#[derive(Debug)]
pub(super) struct Section {
    /// How the file and messages write it, as in `[[site]]`.
    pub title: &'static str,
    /// The keys that only this section has.
    pub own: &'static [Key],
    /// The keys that other sections have as well.
    pub shared: &'static [&'static Group],
}

/// Keys that several sections have.
#[derive(Debug)]
pub(super) struct Group {
    /// The heading of these keys in the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference is made, and checked, by a test"))]
    pub title: &'static str,
    /// Title of the section whose values apply if another section leaves a key out.
    pub base: &'static str,
    /// The keys.
    pub keys: &'static [Key],
}

impl Section {
    /// The names of its keys, in the order in which they are listed to the user.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys().map(|key| key.name)
    }

    /// Its keys in the same order.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.own.iter().chain(self.shared.iter().flat_map(|group| group.keys))
    }

    /// Whether it has a key with this name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// The key as the file writes it, on the left of `=` or in the header of a section.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// What applies if the key is left out.
    pub absent: Absent,
    /// What the key means, in a sentence or two without line breaks.
    pub meaning: &'static str,
}

/// What applies if a key is left out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Absent {
    /// The key must be there.
    Refused,
    /// This value, as the file would write it.
    Value(&'static str),
    /// Described by these words.
    Words(&'static str),
}

/// The kind of a key's values.
#[derive(Debug)]
pub(super) enum Kind {
    /// A string, with an example of a valid one.
    Text(&'static str),
    /// `true` or `false`.
    Boolean,
    /// A whole number, at least the first and at most the second.
    Integer(u64, u64),
    /// A string of a whole number and a unit, as in `"10s"`.
    Duration,
    /// One of these strings.
    Words(&'static [&'static str]),
    /// One table: a section of its own, or in braces.
    Table(&'static Section),
    /// Any number of sections with the same header.
    Sections(&'static Section),
    /// An array of such values.
    Array(&'static Kind),
    /// A table in braces from names of sites to such values.
    BySite(&'static Kind),
    /// A value of any of these kinds.
    Any(&'static [Kind]),
}

impl Key {
    const fn new(name: &'static str, kind: Kind, absent: Absent, meaning: &'static str) -> Self {
        Self { name, kind, absent, meaning }
    }

    /// A key that must be there.
    const fn required(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self::new(name, kind, Absent::Refused, meaning)
    }

    /// A key with a default, which is written as in the file.
    const fn with(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Self {
        Self::new(name, kind, Absent::Value(default), meaning)
    }

    /// An optional key; `absent` describes what applies if it is left out.
    const fn or(name: &'static str, kind: Kind, absent: &'static str, meaning: &'static str) -> Self {
        Self::new(name, kind, Absent::Words(absent), meaning)
    }
}

/// Whether there may be several sections `name`, such as `site.interface`.
pub(super) fn is_list(name: &str) -> bool {
    let lists = |section: &&Section| section.title.starts_with("`[[");
    ALL.iter().copied().filter(lists).any(|section| section.title == format!("`[[{name}]]`"))
}

/// The sections that have the key `name`, as they are written.
pub(super) fn sections_with(name: &str) -> Vec<&'static str> {
    ALL.iter().filter(|section| section.has(name)).map(|section| section.title).collect()
}

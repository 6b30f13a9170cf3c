//! The ruleset as a whole: its tables, and what they are called.

use std::fmt;
use std::sync::Arc;

use super::overlay;
use crate::mesh::{IfName, Mesh, Site};

/// A script for `nft -f` that replaces the tables of the mesh, whatever was in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset(Arc<str>);

/// The families in which the mesh has a table.
pub const FAMILIES: [&str; 2] = ["bridge", "inet"];

impl Ruleset {
    /// The ruleset of `site`. `None` if it needs none: it is part of no segment.
    pub fn of(mesh: &Mesh, site: &Site) -> Option<Self> {
        let segments = overlay::segments(mesh, site);
        if segments.is_empty() {
            return None;
        }
        let tunnels: Vec<IfName> = mesh.tunnels(site).into_iter().map(|tunnel| tunnel.interface).collect();
        let table = Self::table(&mesh.name);
        let mut script = Self::removal(&mesh.name);
        script += &format!("table bridge {table} {{\n{}}}\n", overlay::bridge_chains(&segments));
        script += &format!("table inet {table} {{\n{}}}\n", overlay::chains(&segments, &tunnels));
        Some(Self(script.into()))
    }

    /// A ruleset that equals none that [`Ruleset::of`] gives: what is in the kernel was not put there by this process, or was changed
    /// since.
    pub fn unknown() -> Self {
        Self("".into())
    }

    /// As `nft` reads it.
    pub fn script(&self) -> &str {
        &self.0
    }

    /// Name of the tables.
    pub fn table(mesh: &str) -> String {
        // An identifier of nft begins with a letter, and may go on with all that a mesh's name has.
        format!("weft-{mesh}")
    }

    /// A script that deletes the tables, whether they exist or not.
    pub fn removal(mesh: &str) -> String {
        let table = Self::table(mesh);
        FAMILIES.iter().fold(String::new(), |script, family| {
            // Deleting a table that does not exist is an error; adding one that exists is none.
            script + &format!("add table {family} {table}\ndelete table {family} {table}\n")
        })
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An anonymous set; `None` if it would be empty, which `nft` does not accept.
pub(super) fn set(elements: impl Iterator<Item = String>) -> Option<String> {
    let elements: Vec<String> = elements.collect();
    (!elements.is_empty()).then(|| format!("{{ {} }}", elements.join(", ")))
}

/// Names of interfaces as elements of a set.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a IfName>) -> impl Iterator<Item = String> {
    names.into_iter().map(|name| format!("\"{name}\""))
}

//! Paths that the mesh file's policy refuses, divided into claims that contradict the mesh file and paths that it keeps out on purpose.

use ospf::RefusedView;

use crate::mesh::{ImportRule, Mesh, Site, Unlisted, is_refused_whatever_tag};

/// Maximum number of paths of each kind that are listed; others are only counted.
const MOST_NAMED: usize = 20;

/// The policy of the mesh file for one site: which paths are kept out on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOut {
    unlisted: Unlisted,
    imports: Vec<ImportRule>,
}

/// Why a refused path is kept out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// No site lists the destination, and `unlisted = "refuse"`.
    Unlisted,
    /// Another site lists the destination, and a `[[site.import]]` of this one refuses it.
    Import,
}

/// Paths of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedPaths<T> {
    /// The first paths, ordered by destination.
    pub named: Vec<T>,
    /// Number of all paths.
    pub total: usize,
}

impl<T> UnusedPaths<T> {
    fn add(&mut self, path: T) {
        self.total += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(path);
        }
    }
}

impl<T> Default for UnusedPaths<T> {
    fn default() -> Self {
        Self { named: Vec::new(), total: 0 }
    }
}

/// All refused paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused {
    /// A router claims a prefix that the mesh file assigns to other sites: an attack, or a mistake.
    pub claims: UnusedPaths<RefusedView>,
    /// Paths that the mesh file keeps out on purpose.
    pub meant: UnusedPaths<(RefusedView, Meant)>,
}

impl KeptOut {
    /// The policy of the mesh file for `site`.
    pub fn of(mesh: &Mesh, site: &Site) -> Self {
        Self { unlisted: mesh.unlisted, imports: site.imports.clone() }
    }

    /// Divides refused paths into the two kinds.
    pub(super) fn divide(&self, refused: impl Iterator<Item = RefusedView>) -> Unused {
        let mut unused = Unused::default();
        for path in refused {
            match self.meant(&path) {
                Some(meant) => unused.meant.add((path, meant)),
                None => unused.claims.add(path),
            }
        }
        unused
    }

    fn meant(&self, path: &RefusedView) -> Option<Meant> {
        // A refusal has a guard if a site lists the destination.
        if path.guard.is_none() && self.unlisted == Unlisted::Refuse {
            Some(Meant::Unlisted)
        } else if is_refused_whatever_tag(&self.imports, path.prefix.into()) {
            Some(Meant::Import)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use ospf::{Prefix, RouterId};

    use super::*;
    use crate::mesh::{ImportAction, PrefixRule};

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn path(text: &str, guard: Option<u32>) -> RefusedView {
        RefusedView { prefix: prefix(text), originator: RouterId(9), guard: guard.map(RouterId) }
    }

    fn kept_out(unlisted: Unlisted, refused: &[&str]) -> KeptOut {
        let rule = |text: &&str| ImportRule {
            prefixes: vec![PrefixRule { within: prefix(text).into(), shortest: 0, longest: 32 }],
            tags: Vec::new(),
            action: ImportAction::Refuse,
        };
        KeptOut { unlisted, imports: refused.iter().map(rule).collect() }
    }

    #[test]
    fn what_nobody_lists_is_meant_where_the_file_refuses_it_and_a_claim_is_not() {
        let paths = [path("10.1.7.0/24", Some(2)), path("192.168.9.0/24", None)];
        let unused = kept_out(Unlisted::Refuse, &[]).divide(paths.into_iter());
        assert_eq!(unused.claims, UnusedPaths { named: vec![paths[0]], total: 1 });
        assert_eq!(unused.meant, UnusedPaths { named: vec![(paths[1], Meant::Unlisted)], total: 1 });
        let unused = kept_out(Unlisted::Accept, &[]).divide(paths.into_iter());
        assert_eq!((unused.claims.total, unused.meant.total), (2, 0), "the file does not say so");
    }

    #[test]
    fn a_claim_that_an_import_filter_of_the_site_refuses_is_meant() {
        let paths = [path("10.1.7.0/24", Some(2)), path("10.1.7.0/24", Some(3)), path("10.1.8.0/24", Some(2))];
        let unused = kept_out(Unlisted::Accept, &["10.1.7.0/24"]).divide(paths.into_iter());
        assert_eq!(unused.claims.named, [paths[2]]);
        assert_eq!(unused.meant.named, [(paths[0], Meant::Import), (paths[1], Meant::Import)]);
    }

    #[test]
    fn few_of_each_kind_are_named_and_all_are_counted() {
        let paths = (0..=u8::MAX).flat_map(|third| {
            let text = format!("10.1.{third}.0/24");
            [path(&text, None), path(&text, Some(2))]
        });
        let unused = kept_out(Unlisted::Refuse, &[]).divide(paths);
        let Unused { claims, meant } = unused;
        assert_eq!((claims.named.len(), claims.total), (MOST_NAMED, 256));
        assert_eq!((meant.named.len(), meant.total), (MOST_NAMED, 256));
    }
}

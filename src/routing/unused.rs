//! Paths that the mesh file's policy does not believe, divided by whether the mesh file says that they are to stay out.

use ospf::RefusedView;

use crate::mesh::{ImportRule, Mesh, Site, Unlisted, is_refused_whatever_tag};

/// Paths of each kind that are named; more are only counted.
const MOST_NAMED: usize = 20;

/// What the mesh file keeps out, as one site reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOut {
    unlisted: Unlisted,
    imports: Vec<ImportRule>,
}

/// Why a path that is not believed is not missed.
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
    /// The first of them, by destination.
    pub named: Vec<T>,
    /// How many there are.
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

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused {
    /// A router claims what the mesh file gives to others: an attack, or a mistake.
    pub claims: UnusedPaths<RefusedView>,
    /// The mesh file keeps them out.
    pub meant: UnusedPaths<(RefusedView, Meant)>,
}

impl KeptOut {
    /// What the file keeps out of the kernel of `site`.
    pub fn of(mesh: &Mesh, site: &Site) -> Self {
        Self { unlisted: mesh.unlisted, imports: site.imports.clone() }
    }

    /// Divides paths that are not believed.
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
        // A refusal names a guard wherever a site lists the destination.
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

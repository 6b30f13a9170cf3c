//! Sentences about paths that OSPF refuses: claims that contradict the mesh file are problems, and paths that the file keeps out are notes.

use ospf::{RefusedView, RouterId};

use crate::routing::{Meant, Unused};

/// Problems: paths to prefixes that the mesh file assigns to other sites. `name` returns the name of a router.
pub(super) fn problems(unused: &Unused, name: impl Fn(RouterId) -> String) -> Vec<String> {
    let mut lines: Vec<String> = unused
        .claims
        .named
        .iter()
        .map(|path| {
            let why = match path.guard {
                Some(_) => "the mesh file lists it elsewhere",
                None => "no site stands for it",
            };
            format!("{} is refused: {why}", offer(path, &name))
        })
        .collect();
    lines.extend(more(unused.claims.total, lines.len()).map(|more| format!("{more} more routes are refused")));
    lines
}

/// Notes: paths that the mesh file keeps out. `name` returns the name of a router.
pub(super) fn notes(unused: &Unused, name: impl Fn(RouterId) -> String) -> Vec<String> {
    let mut lines: Vec<String> = unused
        .meant
        .named
        .iter()
        .map(|(path, meant)| {
            let why = match meant {
                Meant::Unlisted => "no site lists it, and `unlisted` is \"refuse\"",
                Meant::Import => "the mesh file lists it elsewhere, and a `[[site.import]]` here refuses it",
            };
            format!("{} is kept out: {why}", offer(path, &name))
        })
        .collect();
    lines.extend(more(unused.meant.total, lines.len()).map(|more| format!("{more} more routes are kept out")));
    lines
}

/// The destination, the router that originates it, and the site that the router is behind.
fn offer(path: &RefusedView, name: impl Fn(RouterId) -> String) -> String {
    let RefusedView { prefix, originator, guard } = path;
    let behind = guard.filter(|guard| guard != originator).map(|guard| format!(" behind {}", name(guard)));
    format!("{prefix} from {}{}", name(*originator), behind.unwrap_or_default())
}

fn more(total: usize, named: usize) -> Option<usize> {
    total.checked_sub(named).filter(|more| *more > 0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::routing::UnusedPaths;

    fn path(third: u8, originator: u32, guard: Option<u32>) -> RefusedView {
        let prefix = ospf::Prefix::new(Ipv4Addr::new(10, 1, third, 0), 24);
        RefusedView { prefix, originator: RouterId(originator), guard: guard.map(RouterId) }
    }

    fn name(router: RouterId) -> String {
        format!("router {}", router.0)
    }

    #[test]
    fn claims_are_problems_and_what_the_file_keeps_out_are_notes() {
        let meant = vec![(path(3, 9, None), Meant::Unlisted), (path(4, 9, Some(2)), Meant::Import)];
        let unused = Unused {
            claims: UnusedPaths { named: vec![path(1, 2, Some(2)), path(2, 9, Some(2))], total: 2 },
            meant: UnusedPaths { named: meant, total: 7 },
        };
        assert_eq!(
            problems(&unused, name),
            [
                "10.1.1.0/24 from router 2 is refused: the mesh file lists it elsewhere",
                "10.1.2.0/24 from router 9 behind router 2 is refused: the mesh file lists it elsewhere",
            ]
        );
        assert_eq!(
            notes(&unused, name),
            [
                "10.1.3.0/24 from router 9 is kept out: no site lists it, and `unlisted` is \"refuse\"",
                "10.1.4.0/24 from router 9 behind router 2 is kept out: the mesh file lists it elsewhere, and a \
                 `[[site.import]]` here refuses it",
                "5 more routes are kept out",
            ]
        );
    }

    #[test]
    fn claims_that_are_not_named_are_counted() {
        let unused = Unused { claims: UnusedPaths { named: vec![path(1, 2, Some(2))], total: 3 }, ..Unused::default() };
        assert_eq!(problems(&unused, name)[1..], ["2 more routes are refused"]);
        assert_eq!(notes(&unused, name), [""; 0]);
    }
}

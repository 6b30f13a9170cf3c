//! Advice for a command that has found no daemon: it may run in a namespace of a lab, whose daemons have run directories of their own.

use std::path::Path;

use super::layout::router_namespace;
use super::netns::{Identity, Namespace};
use super::state::State;

/// The lab namespace that this process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Here {
    mesh: String,
    namespace: String,
    /// The site, if the namespace is that of a site's router.
    site: Option<String>,
}

/// How to reach a daemon of a lab, as the end of an error message; `None` if no lab is up.
pub fn advice() -> Option<String> {
    let labs = State::all();
    let here = Identity::of(Path::new("/proc/self/ns/net")).ok();
    let found = here.and_then(|here| labs.iter().find_map(|mesh| find(mesh, here)));
    words(found.as_ref(), &labs)
}

fn find(mesh: &str, here: Identity) -> Option<Here> {
    let state = State::of(mesh);
    let is_here = |name: &String| {
        let open = Namespace::open(name).ok().flatten();
        open.and_then(|namespace| namespace.identity().ok()) == Some(here)
    };
    let namespace = state.namespaces().ok()?.into_iter().find(is_here)?;
    let site = state.sites().ok()?.into_iter().find(|site| router_namespace(mesh, site) == namespace);
    Some(Here { mesh: mesh.to_owned(), namespace, site })
}

fn words(here: Option<&Here>, labs: &[String]) -> Option<String> {
    let ask = |mesh: &str, site: &str| format!("`weft lab exec {mesh} {site} -- weft status` asks");
    match here {
        Some(Here { mesh, site: Some(site), .. }) => Some(format!(
            "this is router {site} of the lab {mesh}, whose daemon has a run directory of its own: {} it",
            ask(mesh, site)
        )),
        Some(Here { mesh, namespace, site: None }) => {
            Some(format!("this namespace, {namespace}, is no router of the lab {mesh}: {} a router", ask(mesh, "SITE")))
        }
        None if labs.is_empty() => None,
        None => Some(format!(
            "daemons of labs (up: {}) have run directories of their own: {} one",
            labs.join(", "),
            ask("MESH", "SITE")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_a_command_that_asks_the_router_that_is_meant() {
        let labs = ["acme".to_owned()];
        let here = |site: Option<&str>| Here {
            mesh: "acme".to_owned(),
            namespace: "acme-osaka-nat".to_owned(),
            site: site.map(str::to_owned),
        };
        let cases = [
            (Some(here(Some("osaka"))), "`weft lab exec acme osaka -- weft status` asks it"),
            (
                Some(here(None)),
                "acme-osaka-nat, is no router of the lab acme: `weft lab exec acme SITE -- weft status`",
            ),
            (None, "(up: acme) have run directories of their own: `weft lab exec MESH SITE -- weft status` asks one"),
        ];
        for (here, expected) in cases {
            let words = words(here.as_ref(), &labs).unwrap();
            assert!(words.contains(expected), "{words}");
        }
        assert_eq!(words(None, &[]), None, "no lab, no word about labs");
    }
}

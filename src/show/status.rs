//! The output of `weft status` for people.

use std::collections::BTreeMap;

use super::nouns;
use super::table::duration;
use crate::control::view::{Route, Status, StubRouterState};

/// If there are more routes than this, only a summary is shown.
const MOST_ROUTES: usize = 60;

/// Problems first, then tunnels, neighbours and routes, and uplinks if a default route of another site concerns them.
pub fn status(status: &Status) -> String {
    let mut text = format!(
        "{} in mesh {}, router id {}, weft {}, up {}\n",
        status.site,
        status.mesh,
        status.router_id,
        status.version,
        duration(status.uptime_s)
    );
    if status.problems.is_empty() {
        text.push_str("all is well\n");
    }
    if status.stub_router == StubRouterState::Stub {
        let left = status.stub_router_left_s.map_or_else(String::new, |left| format!(" for {}", duration(left)));
        text.push_str(&format!("stub router{left}: traffic between others goes another way\n"));
    }
    for problem in &status.problems {
        text.push_str(&format!("! {problem}\n"));
    }
    for note in &status.notes {
        text.push_str(&format!("- {note}\n"));
    }
    for (title, table, empty) in [
        ("tunnels", nouns::tunnels(&status.tunnels), status.tunnels.is_empty()),
        ("neighbors", nouns::neighbors(&status.neighbors), status.neighbors.is_empty()),
        ("routes", routes(&status.routes), status.routes.is_empty()),
    ] {
        let body = if empty { "none\n".to_owned() } else { table };
        text.push_str(&format!("\n{title}\n{body}"));
    }
    if !status.uplinks.is_empty() {
        text.push_str(&format!("\nuplinks\n{}", nouns::uplinks(&status.uplinks)));
    }
    text
}

/// Every route, or if there are many, the number of each kind and the routes that the kernel does not have as it should.
fn routes(routes: &[Route]) -> String {
    if routes.len() <= MOST_ROUTES {
        return nouns::routes(routes);
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for route in routes {
        *kinds.entry(route.kind.word()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let differing: Vec<Route> = routes.iter().filter(|route| route.kernel.is_wrong()).cloned().collect();
    let mut text = format!("  {} in all: {}; `weft show routes` lists them\n", routes.len(), kinds.join(", "));
    if !differing.is_empty() {
        let first = if differing.len() > MOST_ROUTES { format!("; the first {MOST_ROUTES}:") } else { ":".to_owned() };
        text.push_str(&format!("  {} of them not in the kernel as they should be{first}\n", differing.len()));
        text.push_str(&nouns::routes(&differing[..differing.len().min(MOST_ROUTES)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::view::{KernelState, PathType};

    fn route(number: usize, kernel: KernelState) -> Route {
        Route {
            prefix: format!("10.{}.{}.0/24", number / 256, number % 256),
            kind: if number.is_multiple_of(4) { PathType::External1 } else { PathType::External2 },
            area: [0, 0, 0, 0].into(),
            metric: 20,
            nexthops: Vec::new(),
            originators: vec![[10, 255, 0, 2].into(), [192, 0, 2, 1].into()],
            originator_sites: vec![Some("osaka".to_owned()), None],
            tag: 0,
            type2_metric: None,
            kernel,
            backup: None,
            unprotected: None,
        }
    }

    #[test]
    fn many_routes_are_summed_up_and_those_that_are_differing_are_listed() {
        let few: Vec<Route> = (0..MOST_ROUTES).map(|number| route(number, KernelState::Installed)).collect();
        assert_eq!(routes(&few).lines().count(), 1 + MOST_ROUTES);
        assert!(routes(&few).contains("osaka 192.0.2.1"), "{}", routes(&few));
        let mut many: Vec<Route> = (0..1000).map(|number| route(number, KernelState::Installed)).collect();
        let summed = "  1000 in all: 250 external-1, 750 external-2; `weft show routes` lists them\n";
        assert_eq!(routes(&many), summed);
        many[7].kernel = KernelState::Missing;
        let text = routes(&many);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.starts_with(summed) && text.contains("\n  1 of them not in") && text.contains("10.0.7.0/24"),
            "{text}"
        );
    }
}

//! Checks the number of links of a site's router in an area: a Router-LSA has to fit into one packet.

use std::collections::BTreeMap;

use ::ospf::{AreaId, MAX_ROUTER_LINKS};

use super::diagnostic::Diagnostic;
use super::draft::{AllResolved, Draft};
use super::link::Pair;
use super::model::NetworkType;
use super::reader::Report;

/// Reports sites with more links in an area than a Router-LSA can hold.
pub(super) fn check(draft: &Draft<'_>, resolved: &AllResolved, pairs: &[Pair], report: &mut Report) {
    // The loopback of the site is a link in one of its areas.
    let mut links: Vec<BTreeMap<AreaId, usize>> = vec![BTreeMap::new(); draft.sites.len()];
    for pair in pairs {
        let of_link = pair.link.map_or(resolved.base.as_ref(), |link| resolved.links[link].as_ref());
        let Some(of_link) = of_link else { continue };
        for site in [pair.ends.0, pair.ends.1] {
            *links[site].entry(of_link.settings.area).or_insert(1) += 1;
        }
    }
    for (place, site) in draft.sites.iter().enumerate() {
        for (interface, resolved) in site.interfaces.iter().zip(&resolved.interfaces[place]) {
            let Some(resolved) = resolved else { continue };
            // One link to the neighbour, and one to the network between the routers.
            let count = if interface.network == NetworkType::PointToPoint { 2 } else { 1 };
            *links[place].entry(resolved.settings.area).or_insert(1) += count;
        }
        for (area, count) in links[place].iter().filter(|(_, count)| **count > MAX_ROUTER_LINKS) {
            let title = format!("site {} has {count} links in area {area}", site.called());
            report.push(
                Diagnostic::error(site.span, title, format!("a Router-LSA has room for {MAX_ROUTER_LINKS}"))
                    .help("divide the site, or put some of its tunnels into another `area`; addresses besides the first count, too"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    /// A hub with so many spokes.
    fn star(spokes: usize) -> String {
        let mut text = "[mesh]\nname = \"a\"\nloopbacks = \"10.0.0.0/8\"\ntopology = \"explicit\"\n".to_owned();
        for id in 1..=spokes + 1 {
            // Any 32 octets are a public key.
            let mut key = [7; 32];
            key[..8].copy_from_slice(&(id as u64).to_be_bytes());
            let key = crate::keys::PublicKey::from_bytes(key);
            let place = if id == 1 { "endpoint = \"203.0.113.1\"\nport = 1000\n" } else { "" };
            writeln!(text, "[[site]]\nname = \"s{id}\"\nid = {id}\npublic_key = \"{key}\"\n{place}").unwrap();
        }
        for id in 2..=spokes + 1 {
            writeln!(text, "[[link]]\nbetween = [\"s1\", \"s{id}\"]").unwrap();
        }
        text
    }

    #[test]
    fn a_site_with_more_links_than_a_router_lsa_holds_is_refused() {
        let most = ospf::MAX_ROUTER_LINKS - 1;
        assert!(crate::mesh::parse("mesh", &star(most)).is_ok());
        let refused = crate::mesh::parse("mesh", &star(most + 1)).unwrap_err().to_string();
        assert!(refused.contains(&format!("site `s1` has {} links in area 0.0.0.0", most + 2)), "{refused}");
        assert!(refused.contains(&format!("a Router-LSA has room for {}", ospf::MAX_ROUTER_LINKS)), "{refused}");
    }
}

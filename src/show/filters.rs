//! Dropped packets as text.

use super::table::{Table, octets};
use crate::control::view::{Dropped, RefusedSource};

/// The highest number of sources shown for an interface.
const MAX_SOURCES: usize = 10;

/// Dropped packets by reason and interface, each with the sources of the last minutes below.
pub fn filters(drops: &[Dropped]) -> String {
    if drops.is_empty() {
        return "nothing was dropped\n".to_owned();
    }
    let mut table = Table::new(&["REASON", "INTERFACE", "PACKETS", "OCTETS", "SOURCE", "LISTED BY"]);
    for drop in drops {
        let mut sources = drop.sources.iter();
        let first = sources.next().map_or_else(Default::default, shown);
        table.row([
            drop.reason.to_string(),
            drop.interface.clone(),
            drop.packets.to_string(),
            octets(drop.bytes),
            first.0,
            first.1,
        ]);
        for source in sources.take(MAX_SOURCES - 1) {
            let (source, sites) = shown(source);
            table.row([String::new(), String::new(), String::new(), String::new(), source, sites]);
        }
    }
    table.render("  ")
}

/// A source with the number of its packets, and the sites that list it.
fn shown(source: &RefusedSource) -> (String, String) {
    let sites = if source.listed_by.is_empty() { "no site".to_owned() } else { source.listed_by.join(" ") };
    (format!("{} ({})", source.source, source.packets), sites)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::view::DropReason;

    #[test]
    fn each_interface_has_a_line_and_each_further_source_one_more() {
        let source = |source: &str, listed_by: &[&str]| RefusedSource {
            source: source.parse().unwrap(),
            packets: 3,
            listed_by: listed_by.iter().map(|site| (*site).to_owned()).collect(),
        };
        let drop = |reason, sources| Dropped { reason, interface: "eth1".to_owned(), packets: 7, bytes: 2048, sources };
        let drops = [
            drop(DropReason::Control, Vec::new()),
            drop(DropReason::Source, vec![source("192.0.2.7", &[]), source("10.2.0.1", &["osaka"])]),
        ];
        assert_eq!(
            filters(&drops),
            "  REASON   INTERFACE  PACKETS  OCTETS   SOURCE         LISTED BY\n\
             \x20 control  eth1       7        2.0 KiB\n\
             \x20 source   eth1       7        2.0 KiB  192.0.2.7 (3)  no site\n\
             \x20                                       10.2.0.1 (3)   osaka\n"
        );
        assert_eq!(filters(&[]), "nothing was dropped\n");
    }
}

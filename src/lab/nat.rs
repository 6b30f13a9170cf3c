//! Masquerading, with the program `nft`, which the routers of the lab use as well.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::layout::{Masquerade, Node};
use super::netns::Namespace;
use crate::kernel;

/// Replaces the masquerading rules of `namespace` by those of `node`.
pub fn apply(namespace: &Namespace, node: &Node) -> Result<()> {
    let loaded = namespace.within(|| {
        // The program starts in the namespace of the thread that starts it: this one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(kernel::load_rules(&script(node)))?)
    });
    match loaded {
        // There is no `nft`, or no nf_tables in the kernel, and none is needed.
        Err(_) if node.masquerade.is_empty() => Ok(()),
        loaded => loaded.with_context(|| {
            format!(
                "masquerading in {}: a lab with a site behind NAT or a site that leads to the Internet needs the program `nft` and a \
                 kernel with nf_tables (NFT_NAT, NFT_MASQ)",
                namespace.name()
            )
        }),
    }
}

/// The rules of `node` in the language of `nft`: one transaction, which replaces those of before.
fn script(node: &Node) -> String {
    let families: &[&str] = if node.uses_v6() { &["ip", "ip6"] } else { &["ip"] };
    let mut script = String::new();
    for family in families {
        // Deleting a table that does not exist would be an error: it is added first.
        let table = format!("table {family} weft-lab");
        let _ = writeln!(script, "add {table}\ndelete {table}");
        // A rule that excepts an IPv4 address is for IPv4 alone; the others are for both families.
        let rules: Vec<_> = node.masquerade.iter().filter(|rule| *family == "ip" || rule.except.is_none()).collect();
        if rules.is_empty() {
            continue;
        }
        let _ = writeln!(script, "{table} {{\nchain postrouting {{\ntype nat hook postrouting priority srcnat");
        for Masquerade { interface, except } in rules {
            let source = except.map_or_else(String::new, |address| format!("ip saddr != {address} "));
            let _ = writeln!(script, "oifname \"{interface}\" {source}masquerade");
        }
        script.push_str("}\n}\n");
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::layout::Forwarding;
    use crate::net::IfName;

    #[test]
    fn the_tables_of_both_families_are_replaced_and_an_excepted_address_is_for_ipv4_alone() {
        let rule = |interface, except| Masquerade { interface: IfName::new(interface).unwrap(), except };
        let empty = Node::new(Forwarding::On);
        let node = Node {
            addresses: vec![(IfName::new("eth0").unwrap(), "2001:db8::1/64".parse().unwrap())],
            masquerade: vec![rule("nat0", None), rule("eth0", Some("203.0.113.1".parse().unwrap()))],
            ..empty.clone()
        };
        let expected = "\
add table ip weft-lab
delete table ip weft-lab
table ip weft-lab {
chain postrouting {
type nat hook postrouting priority srcnat
oifname \"nat0\" masquerade
oifname \"eth0\" ip saddr != 203.0.113.1 masquerade
}
}
add table ip6 weft-lab
delete table ip6 weft-lab
table ip6 weft-lab {
chain postrouting {
type nat hook postrouting priority srcnat
oifname \"nat0\" masquerade
}
}
";
        assert_eq!(script(&node), expected);
        assert_eq!(script(&empty), "add table ip weft-lab\ndelete table ip weft-lab\n");
    }
}

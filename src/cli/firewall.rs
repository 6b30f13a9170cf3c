//! Prints the rules that a site's own firewall needs, in the syntax of three firewalls.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use bfd::CONTROL_PORT;

use crate::mesh::{InterfaceMode, Mesh, Site};

/// A program that sets up a machine's packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Firewall {
    /// A ruleset for `nft -f`, as in `/etc/nftables.conf`
    Nft,
    /// Commands for `firewall-cmd`
    Firewalld,
    /// Commands for `ufw`, and lines for its `before.rules`
    Ufw,
}

/// IP protocol number of OSPF (RFC 2328 §A.1); not every machine has a name for it.
const OSPF: u8 = 89;

/// UDP port of VXLAN (RFC 7348 §5).
const VXLAN: u16 = 4789;

/// The traffic that a site's firewall has to let through.
#[derive(Debug, PartialEq, Eq)]
struct Needs<'m> {
    site: &'m str,
    /// UDP ports of the tunnels, from any source.
    ports: Vec<RangeInclusive<u16>>,
    /// Interfaces of the tunnels: they need OSPF, ICMP, VXLAN if there is a segment, and all forwarded packets.
    tunnels: Vec<String>,
    /// Those of them that have BFD.
    sessions: Vec<String>,
    /// Bridges of the Ethernet segments here. If br_netfilter is loaded, as Docker does, a firewall takes frames that cross a bridge for
    /// forwarded packets.
    bridges: Vec<String>,
    /// Other interfaces on which the site runs OSPF; patterns end with `*`.
    speakers: Vec<String>,
}

impl<'m> Needs<'m> {
    fn of(mesh: &Mesh, site: &'m Site) -> Self {
        let tunnels = mesh.tunnels(site);
        let mut numbers: Vec<u16> = tunnels.iter().map(|tunnel| tunnel.listen_port).collect();
        numbers.sort_unstable();
        let mut ports: Vec<RangeInclusive<u16>> = Vec::new();
        for port in numbers {
            match ports.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(port) => *last = *last.start()..=port,
                _ => ports.push(port..=port),
            }
        }
        let segments = mesh.segments.iter().filter_map(|segment| segment.sites.get(&site.id));
        let interfaces = site.interfaces.iter().chain(&site.interface_patterns);
        let active = interfaces.filter(|interface| interface.mode == InterfaceMode::Active);
        Self {
            site: &site.name,
            ports,
            tunnels: tunnels.iter().map(|tunnel| tunnel.interface.to_string()).collect(),
            sessions: tunnels.iter().filter(|t| t.bfd.is_some()).map(|tunnel| tunnel.interface.to_string()).collect(),
            bridges: segments.map(|member| member.bridge.to_string()).collect::<BTreeSet<_>>().into_iter().collect(),
            speakers: active.map(|interface| interface.name.to_string()).collect(),
        }
    }

    /// The ports as text, with `between` between the ends of a range.
    fn ports(&self, between: char) -> Vec<String> {
        let show = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}{between}{last}"),
        };
        self.ports.iter().map(show).collect()
    }
}

/// The rules that `site` needs, in the syntax of `firewall`. A comment at the beginning says how to use them.
pub fn rules(firewall: Firewall, mesh: &Mesh, site: &Site) -> String {
    let needs = Needs::of(mesh, site);
    if needs.tunnels.is_empty() {
        return format!("# Site {} has no tunnel: its firewall needs no rule.\n", needs.site);
    }
    match firewall {
        Firewall::Nft => nft(&needs),
        Firewall::Firewalld => firewalld(&needs),
        Firewall::Ufw => ufw(&needs),
    }
}

fn nft(needs: &Needs<'_>) -> String {
    let names = |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let tunnels = names(&needs.tunnels);
    let mut input = format!(
        "        udp dport {{ {} }} accept comment \"weft: WireGuard\"\n        \
         iifname {{ {tunnels} }} meta l4proto {{ icmp, {OSPF} }} accept comment \"weft: ICMP, OSPF\"\n",
        needs.ports('-').join(", ")
    );
    if !needs.sessions.is_empty() {
        let sessions = names(&needs.sessions);
        let _ =
            writeln!(input, "        iifname {{ {sessions} }} udp dport {CONTROL_PORT} accept comment \"weft: BFD\"");
    }
    if !needs.bridges.is_empty() {
        let _ = writeln!(input, "        iifname {{ {tunnels} }} udp dport {VXLAN} accept comment \"weft: VXLAN\"");
    }
    if !needs.speakers.is_empty() {
        let speakers = names(&needs.speakers);
        let _ = writeln!(input, "        iifname {{ {speakers} }} meta l4proto {OSPF} accept comment \"weft: OSPF\"");
    }
    let mut forward = format!(
        "        iifname {{ {tunnels} }} accept comment \"weft: from the mesh\"\n        \
         oifname {{ {tunnels} }} accept comment \"weft: to the mesh\"\n"
    );
    for bridge in &needs.bridges {
        let _ = writeln!(
            forward,
            "        iifname \"{bridge}\" oifname \"{bridge}\" accept comment \"weft: segment, where br_netfilter is loaded\""
        );
    }
    format!(
        "# Site {}, for nftables. Chains named as in Debian's /etc/nftables.conf: put the lines of each before a rule there that drops.\n\
         # Print them again when a site joins.\n\
         table inet filter {{\n    chain input {{\n{input}    }}\n    chain forward {{\n{forward}    }}\n}}\n",
        needs.site
    )
}

fn firewalld(needs: &Needs<'_>) -> String {
    let mut text = format!(
        "# Site {}, for firewalld 0.9 and later. The default zone is that of the interface towards the internet here.\n\
         # Add the tunnel's interface when a site joins.\n",
        needs.site
    );
    let mut command = |arguments: &str| {
        let _ = writeln!(text, "firewall-cmd --permanent {arguments}");
    };
    for port in needs.ports('-') {
        command(&format!("--add-port={port}/udp"));
    }
    command("--new-zone=weft");
    for tunnel in &needs.tunnels {
        command(&format!("--zone=weft --add-interface={tunnel}"));
    }
    command("--zone=weft --add-protocol=ospf");
    command("--zone=weft --add-forward");
    if !needs.sessions.is_empty() {
        command(&format!("--zone=weft --add-port={CONTROL_PORT}/udp"));
    }
    if !needs.bridges.is_empty() {
        command(&format!("--zone=weft --add-port={VXLAN}/udp"));
    }
    for (policy, ingress, egress) in [("weft-in", "weft", "ANY"), ("weft-out", "ANY", "weft")] {
        command(&format!("--new-policy={policy}"));
        command(&format!("--policy={policy} --set-target=ACCEPT"));
        command(&format!("--policy={policy} --add-ingress-zone={ingress}"));
        command(&format!("--policy={policy} --add-egress-zone={egress}"));
    }
    // Each bridge needs a zone of its own: otherwise packets would be routed between bridges.
    for bridge in &needs.bridges {
        command(&format!("--new-zone={bridge}"));
        command(&format!("--zone={bridge} --add-interface={bridge}"));
        command(&format!("--zone={bridge} --add-forward"));
    }
    for speaker in &needs.speakers {
        match speaker.strip_suffix('*') {
            None => {
                command(&format!(
                    "--zone=\"$(firewall-cmd --get-zone-of-interface={speaker} || firewall-cmd --get-default-zone)\" --add-protocol=ospf"
                ));
            }
            Some(_) => {
                command(&format!("--add-protocol=ospf  # the zone of {speaker}, if that is another one: --zone=NAME"))
            }
        }
    }
    text.push_str("firewall-cmd --reload\n");
    text
}

/// The interface name in the syntax of ufw. iptables uses `+` for what is `*` here; ufw refuses the `~` of a long name that weft has cut.
fn interface_of_ufw(name: &str) -> String {
    match name.split_once(['*', '~']) {
        Some((beginning, _)) => format!("{beginning}+"),
        None => name.to_owned(),
    }
}

fn ufw(needs: &Needs<'_>) -> String {
    let mut text = format!("# Site {}, for ufw. Run what is added again when a site joins.\n", needs.site);
    for port in needs.ports(':') {
        let _ = writeln!(text, "ufw allow {port}/udp comment 'weft: WireGuard'");
    }
    for tunnel in needs.sessions.iter().map(|name| interface_of_ufw(name)) {
        let _ = writeln!(text, "ufw allow in on {tunnel} to any port {CONTROL_PORT} proto udp comment 'weft: BFD'");
    }
    for tunnel in needs.tunnels.iter().map(|name| interface_of_ufw(name)) {
        if !needs.bridges.is_empty() {
            let _ = writeln!(text, "ufw allow in on {tunnel} to any port {VXLAN} proto udp comment 'weft: VXLAN'");
        }
        let _ = writeln!(text, "ufw route allow in on {tunnel} comment 'weft: from the mesh'");
        let _ = writeln!(text, "ufw route allow out on {tunnel} comment 'weft: to the mesh'");
    }
    text.push_str(
        "# ufw has no word for the rest: these lines go into the files named, before their COMMIT; then: ufw reload\n",
    );
    for interface in needs.tunnels.iter().chain(&needs.speakers) {
        let interface = interface_of_ufw(interface);
        let _ = writeln!(text, "# /etc/ufw/before.rules:  -A ufw-before-input -i {interface} -p {OSPF} -j ACCEPT");
    }
    for bridge in &needs.bridges {
        for (file, chain) in [("before.rules", "ufw-before-forward"), ("before6.rules", "ufw6-before-forward")] {
            let _ = writeln!(text, "# /etc/ufw/{file}:  -A {chain} -i {bridge} -o {bridge} -j ACCEPT");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_named_as_ufw_takes_them() {
        let named = ["wg-osaka", "wg-branch~y7oo4", "eth*"].map(interface_of_ufw);
        assert_eq!(named, ["wg-osaka", "wg-branch+", "eth+"]);
    }

    fn mesh() -> Mesh {
        let text = include_str!("../../configs/office-cloud.toml");
        crate::mesh::parse("office-cloud.toml", text).unwrap().mesh
    }

    #[test]
    fn tunnels_with_bfd_need_its_port_and_others_do_not() {
        let text = include_str!("../../configs/triangle.toml");
        let link = "\n[[link]]\nbetween = [\"taipei\", \"osaka\"]\nbfd = true\n";
        let printed = |text: &str| {
            let mesh = crate::mesh::parse("triangle.toml", text).unwrap().mesh;
            let site = mesh.site("taipei").unwrap();
            [Firewall::Nft, Firewall::Firewalld, Firewall::Ufw].map(|firewall| rules(firewall, &mesh, site))
        };
        assert!(printed(text).iter().all(|rules| !rules.contains("3784")));
        let [nft, firewalld, ufw] = printed(&format!("{text}{link}"));
        assert!(nft.contains("iifname { \"wg-osaka\" } udp dport 3784 accept"), "{nft}");
        assert!(firewalld.contains("--zone=weft --add-port=3784/udp"), "{firewalld}");
        assert!(ufw.contains("ufw allow in on wg-osaka to any port 3784 proto udp"), "{ufw}");
        assert!(!ufw.contains("wg-seoul to any port 3784"), "{ufw}");
    }

    #[test]
    fn ports_that_follow_each_other_are_one_range() {
        let ports = |numbers: &[RangeInclusive<u16>]| {
            let none = Vec::new;
            let ports = numbers.to_vec();
            Needs { site: "a", ports, tunnels: none(), sessions: none(), bridges: none(), speakers: none() }.ports(':')
        };
        assert_eq!(ports(&[51821..=51821, 51823..=51825]), ["51821", "51823:51825"]);
        let mesh = mesh();
        for site in &mesh.sites {
            let needs = Needs::of(&mesh, site);
            let listened: Vec<u16> = needs.ports.iter().cloned().flatten().collect();
            let mut wanted: Vec<u16> = mesh.tunnels(site).iter().map(|tunnel| tunnel.listen_port).collect();
            wanted.sort_unstable();
            assert_eq!(listened, wanted, "{}", site.name);
            assert!(needs.ports.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()), "{:?}", needs.ports);
        }
    }
}

//! Checks which routers may send OSPF packets: warns of links on which anybody may. It is an error only where the links are not known,
//! on interfaces that a pattern of names selects.

use ::ospf::{RouterId, TtlSecurity};

use super::auth::Auth;
use super::diagnostic::{Diagnostic, quoted};
use super::draft::{AllResolved, Draft};
use super::model::InterfaceMode;
use super::reader::Report;
use super::virtual_link::FarEnd;

const AUTH: &str = "auth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }";

/// Warns of links on which packets are accepted from routers other than the intended ones.
pub(super) fn check(draft: &Draft<'_>, resolved: &AllResolved, report: &mut Report) {
    for (place, site) in draft.sites.iter().enumerate() {
        for (interface, resolved) in site.interfaces.iter().zip(&resolved.interfaces[place]) {
            let active = interface.mode.given().is_some_and(|mode| mode.value == InterfaceMode::Active);
            let (Some(name), Some(resolved)) = (interface.name.given(), resolved) else { continue };
            let label = match &resolved.settings.auth {
                Auth::None => "everybody on this link may send OSPF packets",
                // The password is in every hello.
                Auth::Simple { .. } => "everybody on this link can read the password and send OSPF packets",
                Auth::Keys { .. } => continue,
            };
            if active && name.value.as_str().ends_with('*') {
                let title = format!("OSPF on all interfaces {} without authentication", quoted(name.value.as_str()));
                report.push(Diagnostic::error(name.span, title, label).help(format!(
                    "add `{AUTH}`, write `ospf = \"passive\"`, or name the interfaces one by one: an interface that \
                     comes to have such a name must not open the network to whoever is behind it"
                )));
            } else if active {
                let interface = quoted(name.value.as_str());
                // Interfaces of different sites often have the same name, and a title may be read without its position.
                let title = format!("OSPF on {interface} of site {} is not authenticated", site.called());
                report.push(Diagnostic::warning(name.span, title, label).help(format!(
                    "add `{AUTH}`, and the same on the routers there; until then what sites of this mesh originate is \
                     not taken from this link, and sites that reach each other over it only do not"
                )));
            }
        }
        let virtual_links = site.virtual_links.iter().zip(&resolved.virtual_links[place]);
        for (link, (_, auth)) in virtual_links {
            let Some(FarEnd::Router(far_end)) = link.far_end else { continue };
            let is_site =
                draft.sites.iter().any(|site| draft.loopback(site).map(RouterId::from) == Some(far_end.value));
            if !is_site && matches!(auth, Some(Auth::None | Auth::Simple { .. })) {
                let title =
                    format!("the virtual link of site {} to {} is not authenticated", site.called(), far_end.value);
                let label = "no site of this mesh: its packets come through routers and networks outside of it";
                report.push(
                    Diagnostic::warning(far_end.span, title, label)
                        .help(format!("add `{AUTH}` at both ends: only the address shows who sends its packets")),
                );
            }
        }
    }
    for link in &draft.links {
        let off = link.ttl_security.given().filter(|at| at.value == TtlSecurity::Off);
        if let Some(at) = off {
            report.push(
                Diagnostic::warning(
                    at.span,
                    format!("OSPF packets of the tunnel {} are taken with any TTL", link.called()),
                    "one that was forwarded into the tunnel looks like the peer's if its source address is forged",
                )
                .help("leave it out unless the router at one end is not weft; use `auth` there if it can"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mesh;

    const MESH: &str = r#"
[mesh]
name = "acme"
loopbacks = "10.255.0.0/16"

[[site]]
name = "taipei"
id = 1
public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
endpoint = "192.0.2.1"

[[site.interface]]
name = "eth1"
ospf = "active"
network = "broadcast"
area = "0.0.0.1"
AUTH

[[site.virtual_link]]
area = "0.0.0.1"
FAR_END

[[site]]
name = "osaka"
id = 2
public_key = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

[[site.interface]]
name = "eth1"
ospf = "passive"
area = "0.0.0.1"
BACK

[[link]]
between = ["taipei", "osaka"]
TTL
"#;

    fn warnings(auth: &str, far_end: &str, ttl: &str) -> String {
        // Two sites have one at both ends.
        let back = "[[site.virtual_link]]\narea = \"0.0.0.1\"\nrouter_id = \"10.255.0.1\"";
        let back = if far_end.contains("10.255.0.2") { back } else { "" };
        let text = MESH.replace("AUTH", auth).replace("FAR_END", far_end).replace("TTL", ttl).replace("BACK", back);
        mesh::parse("acme.toml", &text).unwrap_or_else(|errors| panic!("{errors}")).warnings.to_string()
    }

    const KEY: &str = "auth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }";

    #[test]
    fn an_active_interface_without_authentication_is_warned_of_at_its_name() {
        let shown = warnings("", &format!("router_id = \"10.9.9.9\"\n{KEY}"), "");
        assert!(shown.contains("warning: OSPF on `eth1` of site `taipei` is not authenticated"), "{shown}");
        assert!(shown.contains("acme.toml:13:8") && shown.contains("^^^^^^"), "{shown}");
        assert!(shown.contains("sites that reach each other over it only do not"), "{shown}");
        let password = "auth = { type = \"simple\", key_file = \"lan.key\" }";
        assert!(warnings(password, &format!("router_id = \"10.9.9.9\"\n{KEY}"), "").contains("can read the password"));
        assert!(!warnings(KEY, "router_id = \"10.9.9.9\"", "").contains("OSPF on"));
    }

    #[test]
    fn a_virtual_link_to_a_router_that_is_no_site_is_warned_of_unless_it_is_authenticated() {
        let shown = warnings(KEY, "router_id = \"10.9.9.9\"", "");
        assert!(
            shown.contains("warning: the virtual link of site `taipei` to 10.9.9.9 is not authenticated"),
            "{shown}"
        );
        assert!(!warnings(KEY, "router_id = \"10.255.0.2\"", "").contains("virtual link"), "a site");
        assert!(!warnings(KEY, &format!("router_id = \"10.9.9.9\"\n{KEY}"), "").contains("virtual link"));
    }

    #[test]
    fn ttl_security_that_is_off_says_what_is_given_up() {
        let far_end = format!("router_id = \"10.9.9.9\"\n{KEY}");
        let shown = warnings(KEY, &far_end, "ttl_security = false");
        assert!(
            shown.contains("tunnel between `taipei` and `osaka` are taken with any TTL")
                && shown.contains("looks like the peer's"),
            "{shown}"
        );
        assert!(!warnings(KEY, &far_end, "ttl_security = true").contains("TTL"));
        let text = MESH
            .replace("AUTH", KEY)
            .replace("FAR_END", &far_end)
            .replace("TTL", "ttl_security = false")
            .replace("BACK", "");
        let mesh = mesh::parse("acme.toml", &text).unwrap().mesh;
        assert_eq!(mesh.tunnels(&mesh.sites[0])[0].ttl_security, ospf::TtlSecurity::Off);
    }
}

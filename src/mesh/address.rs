//! Reads networks, addresses and endpoints of the mesh file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::diagnostic::{Diagnostic, quoted};
use super::model::Host;
use super::reader::{At, Entry, Report};
use crate::net::Prefix;

/// The longest DNS name as text, in bytes (RFC 1035 §2.3.4 without the length octets).
const MAX_NAME: usize = 253;

/// The longest label of a DNS name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Networks that cannot belong to a site, and the reason as messages give it.
const UNUSABLE: [(Ipv4Addr, u8, &str); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "means \"this network\""),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "never leaves a host"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "is for multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "is reserved"),
];

/// An `endpoint` as written; without a port, the port of the site or link applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenEndpoint {
    pub host: Host,
    pub port: Option<u16>,
}

/// Reads a network that can belong to a site, such as `"10.1.0.0/16"`, without host bits.
pub(super) fn network(entry: &Entry<'_>, example: &str, report: &mut Report) -> Option<At<Prefix>> {
    let text = entry.string(example, report)?;
    let network = any_network(text, example, report)?;
    match unusable(network) {
        None => Some(At { value: network, span: text.span }),
        Some(what) => {
            let title = format!("{} cannot belong to a site", quoted(text.value));
            report.push(
                Diagnostic::error(text.span, title, what)
                    .help("use networks of unicast addresses, or 0.0.0.0/0 for a default route"),
            );
            None
        }
    }
}

/// Reads a network without host bits, of any kind of address.
pub(super) fn any_network(text: At<&str>, example: &str, report: &mut Report) -> Option<Prefix> {
    let error = |title: String, label: &str| Diagnostic::error(text.span, title, label);
    let shown = quoted(text.value);
    let fault = match read_network(text.value) {
        Ok(network) => return Some(network),
        Err(NetworkFault::HostBits(right)) => {
            error(format!("{shown} has host bits set"), "the address is inside the network, not the network")
                .help(format!("write `\"{right}\"`"))
        }
        Err(NetworkFault::NoLength(address)) => error(format!("{shown} has no prefix length"), "which network?")
            .help(format!("write `\"{address}/32\"` for this one address, or a shorter length for a network")),
        Err(NetworkFault::Length) => error(format!("{shown} has no valid prefix length"), "not in /0 ..= /32")
            .help(format!("write it as in `{example}`")),
        Err(NetworkFault::V6) => {
            error("IPv6 inside the mesh is not available in this version".to_owned(), "not available")
                .help("IPv6 may be used as `endpoint`; what the sites hold has to be IPv4")
        }
        Err(NetworkFault::NotAddress) => error(format!("{shown} is not an IPv4 network"), "not a network")
            .help(format!("write it as in `{example}`")),
    };
    report.push(fault);
    None
}

/// Reads the unicast IPv4 address of a host.
pub(super) fn host(entry: &Entry<'_>, example: &str, report: &mut Report) -> Option<At<Ipv4Addr>> {
    let text = entry.string(example, report)?;
    let fault = match text.value.parse::<Ipv4Addr>() {
        Ok(address) => match unusable(Prefix::host(address)) {
            None => return Some(At { value: address, span: text.span }),
            Some(what) => (format!("{} cannot be the address of a router", quoted(text.value)), what),
        },
        Err(_) => (format!("{} is not an IPv4 address", quoted(text.value)), "not an address"),
    };
    report.push(Diagnostic::error(text.span, fault.0, fault.1).help(format!("write it as in `{example}`")));
    None
}

#[derive(Debug, PartialEq, Eq)]
enum NetworkFault {
    HostBits(Prefix),
    NoLength(Ipv4Addr),
    Length,
    V6,
    NotAddress,
}

fn read_network(text: &str) -> Result<Prefix, NetworkFault> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    if address.parse::<Ipv6Addr>().is_ok() {
        return Err(NetworkFault::V6);
    }
    let address: Ipv4Addr = address.parse().map_err(|_| NetworkFault::NotAddress)?;
    let length = length.ok_or(NetworkFault::NoLength(address))?;
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| digits).ok_or(NetworkFault::Length)?;
    let network = Prefix::checked(address, length).ok_or(NetworkFault::Length)?;
    if network.network() == address { Ok(network) } else { Err(NetworkFault::HostBits(network)) }
}

/// Why no host of a site can have an address of `network`; `None` if it can.
pub(super) fn unusable(network: Prefix) -> Option<&'static str> {
    UNUSABLE
        .into_iter()
        .filter(|_| !network.is_default())
        .find(|(address, length, _)| Prefix::new(*address, *length).covers(network))
        .map(|(_, _, what)| what)
}

/// Reads an endpoint: an address or a DNS name, with or without a port. `example` is a correct line for messages.
pub(super) fn endpoint(entry: &Entry<'_>, example: &str, report: &mut Report) -> Option<At<WrittenEndpoint>> {
    let text = entry.string(example, report)?;
    let error = |label: &str| Diagnostic::error(text.span, format!("{} is not an endpoint", quoted(text.value)), label);
    let fault = match read_endpoint(text.value) {
        Ok(endpoint) => match unreachable(&endpoint.host) {
            None => return Some(At { value: endpoint, span: text.span }),
            Some(what) => error(what).help("write the address at which the other sites reach this one"),
        },
        Err(EndpointFault::Port) => error("the port is not in 1..=65535")
            .help("write `\"HOST:PORT\"`; an IPv6 address with a port stands in brackets, `\"[2001:db8::1]:51820\"`"),
        Err(EndpointFault::Host) => error("neither an address nor a DNS name").help(
            "write an address or a DNS name, with or without a port: `\"203.0.113.1\"`, `\"[2001:db8::1]:51820\"`, \
             `\"vpn.example.net\"`",
        ),
    };
    report.push(fault);
    None
}

#[derive(Debug, PartialEq, Eq)]
enum EndpointFault {
    Host,
    Port,
}

fn read_endpoint(text: &str) -> Result<WrittenEndpoint, EndpointFault> {
    // Without brackets, all of an IPv6 address is the address: the last group of `2001:db8::1` is not a port.
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(WrittenEndpoint { host: Host::Address(address.to_canonical()), port: None });
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(EndpointFault::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| EndpointFault::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if rest.is_empty() => None,
            None => return Err(EndpointFault::Host),
        };
        return Ok(WrittenEndpoint { host: Host::Address(IpAddr::V6(address).to_canonical()), port });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let host = match host.parse::<Ipv4Addr>() {
        Ok(address) => Host::Address(address.into()),
        Err(_) if is_dns_name(host) => Host::Name(host.to_owned()),
        Err(_) => return Err(EndpointFault::Host),
    };
    Ok(WrittenEndpoint { host, port: port.map(read_port).transpose()? })
}

fn read_port(text: &str) -> Result<u16, EndpointFault> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(EndpointFault::Port)
}

/// Whether `text` is a DNS name. A name whose last label is a number is a mistyped address, not a name.
fn is_dns_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= MAX_NAME && text.split('.').all(label) && !last_is_number
}

/// Why other sites cannot reach a site at `host`; `None` if they can.
fn unreachable(host: &Host) -> Option<&'static str> {
    let address = match host {
        Host::Address(address) => *address,
        Host::Name(_) => return None,
    };
    let link_local = match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    match address {
        address if address.is_unspecified() => Some("the unspecified address"),
        address if address.is_loopback() => Some("a loopback address"),
        address if address.is_multicast() => Some("a multicast address"),
        _ if broadcast => Some("the broadcast address"),
        _ if link_local => Some("an IPv6 link-local address has no meaning on another link"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Host {
        Host::Address(text.parse().unwrap())
    }

    #[test]
    fn an_endpoint_is_an_address_or_a_name_with_or_without_a_port() {
        let cases = [
            ("203.0.113.1", address("203.0.113.1"), None),
            ("203.0.113.1:500", address("203.0.113.1"), Some(500)),
            ("2001:db8::1", address("2001:db8::1"), None),
            ("[2001:db8::1]", address("2001:db8::1"), None),
            ("[2001:db8::1]:500", address("2001:db8::1"), Some(500)),
            ("::ffff:203.0.113.1", address("203.0.113.1"), None),
            ("vpn.example.net", Host::Name("vpn.example.net".into()), None),
            ("vpn.example.net.:500", Host::Name("vpn.example.net.".into()), Some(500)),
            ("localhost", Host::Name("localhost".into()), None),
        ];
        for (text, host, port) in cases {
            assert_eq!(read_endpoint(text), Ok(WrittenEndpoint { host, port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in
            ["", ":500", "203.0.113", "203.0.113.1.5", "[203.0.113.1]:500", "[::1", "[::1]500", "a b", "-a", "a..b"]
        {
            assert_eq!(read_endpoint(text), Err(EndpointFault::Host), "{text}");
        }
        for text in ["203.0.113.1:", "203.0.113.1:0", "203.0.113.1:65536", "a:+5", "[2001:db8::1]:x"] {
            assert_eq!(read_endpoint(text), Err(EndpointFault::Port), "{text}");
        }
    }

    #[test]
    fn a_network_is_written_with_its_length_and_without_host_bits() {
        assert_eq!(read_network("10.1.0.0/16"), Ok("10.1.0.0/16".parse().unwrap()));
        assert_eq!(read_network("10.1.0.1/16"), Err(NetworkFault::HostBits("10.1.0.0/16".parse().unwrap())));
        assert_eq!(read_network("10.1.0.0"), Err(NetworkFault::NoLength(Ipv4Addr::new(10, 1, 0, 0))));
        assert_eq!(read_network("2001:db8::/32"), Err(NetworkFault::V6));
        for text in ["10.1.0.0/33", "10.1.0.0/", "10.1.0.0/+8", "10.1.0.0/255.255.0.0"] {
            assert_eq!(read_network(text), Err(NetworkFault::Length), "{text}");
        }
        assert_eq!(read_network("office"), Err(NetworkFault::NotAddress));
    }

    #[test]
    fn the_default_route_can_belong_to_a_site_and_multicast_cannot() {
        let network = |text: &str| text.parse::<Prefix>().unwrap();
        assert_eq!(unusable(network("0.0.0.0/0")), None);
        assert_eq!(unusable(network("128.0.0.0/1")), None);
        assert!(unusable(network("224.0.0.0/8")).is_some());
        assert!(unusable(network("127.0.0.1/32")).is_some());
    }
}

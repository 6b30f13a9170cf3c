//! Parses the requests `get=1` and `set=1`: the result is a [`DeviceUpdate`], or the errno that tells the client what is wrong.
//!
//! A request is parsed completely before any of it is applied. Keys that the protocol does not know, values that it does not allow, and
//! peer keys before the first `public_key` are `EINVAL`; a request that is neither get nor set is `EPROTO`.

use std::str::FromStr;

use nix::errno::Errno;
use zeroize::Zeroizing;

use crate::config::{AllowedIp, AllowedIpChange, Change, DeviceUpdate, PeerAction, PeerUpdate, PublicKey, Secret};

/// A client's request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// `get=1`: reports the whole state.
    Get,
    /// `set=1`: changes the configuration.
    Set(DeviceUpdate),
}

/// Parses one request, given as its lines without the empty one that ends it.
pub fn parse(text: &[u8]) -> Result<Request, Errno> {
    let text = std::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    let mut lines = text.lines();
    match lines.next() {
        Some("get=1") if lines.next().is_none() => Ok(Request::Get),
        Some("get=1") => Err(Errno::EINVAL),
        Some("set=1") => parse_set(lines).map(Request::Set),
        _ => Err(Errno::EPROTO),
    }
}

fn parse_set<'a>(lines: impl Iterator<Item = &'a str>) -> Result<DeviceUpdate, Errno> {
    let mut update = DeviceUpdate::default();
    for line in lines {
        let (key, value) = line.split_once('=').ok_or(Errno::EPROTO)?;
        match (key, update.peers.last_mut()) {
            ("public_key", _) => update.peers.push(PeerUpdate::new(PublicKey(*hex_key(value)?))),
            (_, None) => set_interface(&mut update, key, value)?,
            (_, Some(peer)) => set_peer(peer, key, value)?,
        }
    }
    Ok(update)
}

fn set_interface(update: &mut DeviceUpdate, key: &str, value: &str) -> Result<(), Errno> {
    match key {
        "private_key" => update.private_key = Some(secret_change(value)?),
        "listen_port" => update.listen_port = Some(number(value)?),
        "fwmark" => update.fwmark = Some(number(value)?),
        "replace_peers" => update.replace_peers = only_true(value)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn set_peer(peer: &mut PeerUpdate, key: &str, value: &str) -> Result<(), Errno> {
    match key {
        "remove" => {
            only_true(value)?;
            peer.action = PeerAction::Remove;
        }
        "update_only" => {
            only_true(value)?;
            if peer.action == PeerAction::AddOrUpdate {
                peer.action = PeerAction::UpdateOnly;
            }
        }
        "preshared_key" => peer.preshared_key = Some(secret_change(value)?),
        "endpoint" => peer.endpoint = Some(value.parse().map_err(|_| Errno::EINVAL)?),
        "persistent_keepalive_interval" => peer.keepalive_s = Some(number(value)?),
        "replace_allowed_ips" => peer.replace_allowed_ips = only_true(value)?,
        "allowed_ip" => {
            let change = match value.strip_prefix('-') {
                Some(network) => AllowedIpChange::Remove(allowed_ip(network)?),
                None => AllowedIpChange::Add(allowed_ip(value)?),
            };
            peer.allowed_ips.push(change);
        }
        "protocol_version" if value == "1" => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// Parses a decimal number without sign and white space.
fn number<T: FromStr>(value: &str) -> Result<T, Errno> {
    if value.starts_with('+') {
        return Err(Errno::EINVAL);
    }
    value.parse().map_err(|_| Errno::EINVAL)
}

fn only_true(value: &str) -> Result<bool, Errno> {
    if value == "true" { Ok(true) } else { Err(Errno::EINVAL) }
}

fn allowed_ip(value: &str) -> Result<AllowedIp, Errno> {
    let (address, prefix_len) = value.split_once('/').ok_or(Errno::EINVAL)?;
    let address = address.parse().map_err(|_| Errno::EINVAL)?;
    AllowedIp::new(address, number(prefix_len)?).ok_or(Errno::EINVAL)
}

fn secret_change(value: &str) -> Result<Change<Secret>, Errno> {
    let secret = Secret::new(hex_key(value)?);
    Ok(if secret.is_zero() { Change::Remove } else { Change::Set(secret) })
}

fn hex_key(value: &str) -> Result<Zeroizing<[u8; 32]>, Errno> {
    let digits = value.as_bytes();
    let mut key = Zeroizing::new([0; 32]);
    if digits.len() != 2 * key.len() {
        return Err(Errno::EINVAL);
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(key)
}

fn hex_digit(digit: u8) -> Result<u8, Errno> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://www.wireguard.com/xplatform/#example-dialog>.
    const SPECIFIED: &str = "set=1\n\
        private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n\
        fwmark=0\n\
        listen_port=12912\n\
        replace_peers=true\n\
        public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n\
        preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n\
        replace_allowed_ips=true\n\
        allowed_ip=192.168.4.4/32\n\
        endpoint=[abcd:23::33%2]:51820\n\
        public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n\
        replace_allowed_ips=true\n\
        allowed_ip=192.168.4.6/32\n\
        persistent_keepalive_interval=111\n\
        endpoint=182.122.22.19:3233\n\
        public_key=662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58\n\
        endpoint=5.152.198.39:51820\n\
        replace_allowed_ips=true\n\
        allowed_ip=192.168.4.10/32\n\
        allowed_ip=192.168.4.11/32\n\
        public_key=e818b58db5274087fcc1be5dc728cf53d3b5726b4cef6b9bab8f8f8c2452c25c\n\
        remove=true\n";

    fn set(text: &str) -> DeviceUpdate {
        match parse(text.as_bytes()) {
            Ok(Request::Set(update)) => update,
            other => panic!("{other:?}"),
        }
    }

    fn network(text: &str) -> AllowedIp {
        allowed_ip(text).unwrap()
    }

    #[test]
    fn the_specified_dialog_is_understood_line_by_line() {
        let update = set(SPECIFIED);
        assert!(matches!(&update.private_key, Some(Change::Set(key)) if key.expose()[..2] == [0xe8, 0x4b]));
        assert_eq!((update.fwmark, update.listen_port, update.replace_peers), (Some(0), Some(12912), true));
        let [a, b, c, d] = &update.peers[..] else { panic!("{:?}", update.peers) };
        assert_eq!(a.public_key.0[..2], [0xb8, 0x59]);
        assert!(matches!(&a.preshared_key, Some(Change::Set(key)) if key.expose()[31] == 0x52));
        assert_eq!(a.endpoint, "[abcd:23::33%2]:51820".parse().ok());
        assert_eq!(b.keepalive_s, Some(111));
        assert_eq!(b.endpoint, "182.122.22.19:3233".parse().ok());
        let two = ["192.168.4.10/32", "192.168.4.11/32"].map(|net| AllowedIpChange::Add(network(net)));
        assert_eq!((c.replace_allowed_ips, &c.allowed_ips[..]), (true, &two[..]));
        assert_eq!(d.action, PeerAction::Remove);
    }

    #[test]
    fn a_get_is_one_line() {
        assert_eq!(parse(b"get=1\n"), Ok(Request::Get));
        assert_eq!(parse(b"get=1\nlisten_port=1\n"), Err(Errno::EINVAL));
    }

    #[test]
    fn a_request_that_is_neither_get_nor_set_is_a_protocol_error() {
        for text in ["", "get=2\n", "set=0\n", "listen_port=1\n", "hello\n"] {
            assert_eq!(parse(text.as_bytes()), Err(Errno::EPROTO), "{text:?}");
        }
    }

    #[test]
    fn a_key_of_zeros_removes_the_key() {
        let zeros = "0".repeat(64);
        let update =
            set(&format!("set=1\nprivate_key={zeros}\npublic_key={}\npreshared_key={zeros}\n", "1".repeat(64)));
        assert_eq!(update.private_key, Some(Change::Remove));
        assert_eq!(update.peers[0].preshared_key, Some(Change::Remove));
    }

    #[test]
    fn values_out_of_range_and_unknown_keys_are_refused() {
        let peer = format!("public_key={}\n", "1".repeat(64));
        let bad = [
            "private_key=00".to_owned(),
            format!("private_key={}", "g".repeat(64)),
            "listen_port=65536".to_owned(),
            "listen_port=+1".to_owned(),
            "listen_port=".to_owned(),
            "fwmark=0x1".to_owned(),
            "fwmark=4294967296".to_owned(),
            "replace_peers=false".to_owned(),
            "endpoint=1.2.3.4:5".to_owned(),
            "colour=red".to_owned(),
            format!("{peer}listen_port=1"),
            format!("{peer}endpoint=1.2.3.4"),
            format!("{peer}allowed_ip=1.2.3.4"),
            format!("{peer}allowed_ip=1.2.3.4/33"),
            format!("{peer}allowed_ip=::/129"),
            format!("{peer}persistent_keepalive_interval=65536"),
            format!("{peer}protocol_version=2"),
            format!("{peer}remove=1"),
        ];
        for line in bad {
            assert_eq!(parse(format!("set=1\n{line}\n").as_bytes()), Err(Errno::EINVAL), "{line}");
        }
        assert_eq!(parse(b"set=1\nlisten_port\n"), Err(Errno::EPROTO));
        assert_eq!(parse(b"set=1\nfwmark=\xff\n"), Err(Errno::EINVAL));
    }

    #[test]
    fn host_bits_of_an_allowed_ip_are_cleared() {
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("fd00::1/64").to_string(), "fd00::/64");
        assert_eq!(network("1.2.3.4/0").to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_minus_takes_an_allowed_ip_away() {
        let update = set(&format!("set=1\npublic_key={}\nupdate_only=true\nallowed_ip=-10.0.0.0/8\n", "1".repeat(64)));
        assert_eq!(update.peers[0].action, PeerAction::UpdateOnly);
        assert_eq!(update.peers[0].allowed_ips, [AllowedIpChange::Remove(network("10.0.0.0/8"))]);
    }
}

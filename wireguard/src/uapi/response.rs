//! Writes the answers to requests: the device's state after `get=1`, and the errno that ends every answer.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use zeroize::Zeroizing;

use crate::config::{DeviceState, PeerState};

/// Longest text of the interface's own lines, in bytes: two keys and two numbers.
const INTERFACE_LEN: usize = 256;

/// Longest text of a peer without its AllowedIPs, and longest text of one AllowedIP, in bytes.
const PEER_LEN: usize = 512;
const ALLOWED_IP_LEN: usize = 64;

/// The answer to `get=1`. It holds the private key: the buffer has its full size from the start, so that no copy of the key is left in a
/// smaller one.
pub fn state(state: &DeviceState) -> Zeroizing<String> {
    let peers: usize = state.peers.iter().map(|peer| PEER_LEN + ALLOWED_IP_LEN * peer.allowed_ips.len()).sum();
    let capacity = INTERFACE_LEN + peers;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    if let Some(key) = &state.private_key {
        key_line(&mut text, "private_key", key.expose());
    }
    if state.listen_port != 0 {
        line(&mut text, "listen_port", state.listen_port);
    }
    if state.fwmark != 0 {
        line(&mut text, "fwmark", state.fwmark);
    }
    for peer in &state.peers {
        peer_lines(&mut text, peer);
    }
    text.push_str("errno=0\n\n");
    debug_assert!(text.len() <= capacity, "the buffer never grows");
    text
}

/// The answer to `set=1`, or to a request that failed: the negative error number, which is what `wg` expects and what wireguard-go sends.
pub fn outcome(outcome: Result<(), Errno>) -> String {
    format!("errno={}\n\n", outcome.err().map_or(0, |errno| -(errno as i32)))
}

fn peer_lines(text: &mut String, peer: &PeerState) {
    key_line(text, "public_key", &peer.public_key.0);
    let no_key = [0; 32];
    key_line(text, "preshared_key", peer.preshared_key.as_ref().map_or(&no_key, |key| key.expose()));
    line(text, "protocol_version", 1);
    if let Some(endpoint) = peer.endpoint {
        line(text, "endpoint", endpoint);
    }
    let handshake =
        peer.last_handshake.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or(Duration::ZERO);
    line(text, "last_handshake_time_sec", handshake.as_secs());
    line(text, "last_handshake_time_nsec", handshake.subsec_nanos());
    line(text, "tx_bytes", peer.tx_bytes);
    line(text, "rx_bytes", peer.rx_bytes);
    line(text, "persistent_keepalive_interval", peer.keepalive_s);
    for network in &peer.allowed_ips {
        line(text, "allowed_ip", network);
    }
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    writeln!(text, "{key}={value}").expect("writing to a String never fails");
}

fn key_line(text: &mut String, key: &str, bytes: &[u8; 32]) {
    text.push_str(key);
    text.push('=');
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AllowedIp, PublicKey, Secret};

    #[test]
    fn an_unconfigured_device_has_nothing_to_say() {
        let empty = DeviceState { private_key: None, listen_port: 0, fwmark: 0, peers: Vec::new() };
        assert_eq!(*state(&empty), "errno=0\n\n");
    }

    #[test]
    fn a_device_is_printed_in_the_order_of_the_specification() {
        let device = DeviceState {
            private_key: Some(Secret::new(Zeroizing::new([0xe8; 32]))),
            listen_port: 12912,
            fwmark: 201,
            peers: vec![PeerState {
                public_key: PublicKey([0xb8; 32]),
                preshared_key: None,
                endpoint: "[abcd:23::33%2]:51820".parse().ok(),
                last_handshake: Some(SystemTime::UNIX_EPOCH + Duration::new(7, 8)),
                tx_bytes: 38333,
                rx_bytes: 2224,
                keepalive_s: 111,
                allowed_ips: vec![AllowedIp::new("192.168.4.4".parse().unwrap(), 32).unwrap()],
            }],
        };
        let expected = format!(
            "private_key={}\nlisten_port=12912\nfwmark=201\npublic_key={}\npreshared_key={}\nprotocol_version=1\n\
             endpoint=[abcd:23::33%2]:51820\nlast_handshake_time_sec=7\nlast_handshake_time_nsec=8\ntx_bytes=38333\n\
             rx_bytes=2224\npersistent_keepalive_interval=111\nallowed_ip=192.168.4.4/32\nerrno=0\n\n",
            "e8".repeat(32),
            "b8".repeat(32),
            "00".repeat(32),
        );
        assert_eq!(*state(&device), expected);
    }

    #[test]
    fn the_longest_device_fits_the_buffer_made_for_it() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
        let peer = PeerState {
            public_key: PublicKey([0xff; 32]),
            preshared_key: Some(Secret::new(Zeroizing::new([0xff; 32]))),
            endpoint: longest.parse().ok(),
            last_handshake: Some(SystemTime::UNIX_EPOCH + Duration::new(i64::MAX as u64, 999_999_999)),
            tx_bytes: u64::MAX,
            rx_bytes: u64::MAX,
            keepalive_s: u16::MAX,
            allowed_ips: vec![AllowedIp::new("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap(), 128).unwrap()],
        };
        let key = Some(Secret::new(Zeroizing::new([0xff; 32])));
        let device = DeviceState { private_key: key, listen_port: u16::MAX, fwmark: u32::MAX, peers: vec![peer] };
        let text = state(&device);
        assert!(text.len() <= INTERFACE_LEN + PEER_LEN + ALLOWED_IP_LEN, "{}", text.len());
    }

    #[test]
    fn an_outcome_is_the_negative_number_of_the_error() {
        assert_eq!(outcome(Ok(())), "errno=0\n\n");
        assert_eq!(outcome(Err(Errno::EADDRINUSE)), "errno=-98\n\n");
    }
}

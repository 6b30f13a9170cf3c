//! The configuration and the state of a WireGuard interface, as types of the engine.
//!
//! The parser and the writer of the UAPI text protocol and the device behind them use these types, which do no I/O.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A name that the kernel accepts for an interface and that is safe as a file name: 1 to 15 bytes, no `/`, no `:`, no
/// white space or control characters, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// The error for a text that is not an interface name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no interface name: 1 to 15 bytes without `/`, `:` and white space")]
pub struct BadInterfaceName(String);

impl InterfaceName {
    /// Maximum length in bytes: IFNAMSIZ without the NUL.
    pub const MAX_LEN: usize = 15;

    /// Checks that `name` is an interface name.
    pub fn new(name: &str) -> Result<Self, BadInterfaceName> {
        let fits = (1..=Self::MAX_LEN).contains(&name.len());
        let clean = !name.bytes().any(|b| matches!(b, b'/' | b':') || b.is_ascii_whitespace() || b.is_ascii_control());
        if fits && clean && name != "." && name != ".." {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadInterfaceName(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for InterfaceName {
    type Err = BadInterfaceName;

    fn from_str(text: &str) -> Result<Self, BadInterfaceName> {
        Self::new(text)
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = BadInterfaceName;

    fn try_from(text: String) -> Result<Self, BadInterfaceName> {
        Self::new(&text)
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0
    }
}

/// A Curve25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A private or preshared key: 32 bytes that are zeroed on drop and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Takes the bytes out of a buffer that is itself zeroed.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The key's bytes. A caller that copies them must zero the copy.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether all bytes are zero, which in UAPI means "no key".
    pub fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |bits, byte| bits | byte) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A change of an optional value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// Sets this value.
    Set(T),
    /// Removes the value.
    Remove,
}

impl<T> Change<T> {
    /// The value after the change; `None` if it was removed.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Remove => None,
        }
    }
}

/// The changes that one `set=1` request asks for. What a field that is `None` stands for stays unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceUpdate {
    /// Private key of the interface.
    pub private_key: Option<Change<Secret>>,
    /// UDP port; 0 for any free port.
    pub listen_port: Option<u16>,
    /// SO_MARK of encrypted packets; 0 for none.
    pub fwmark: Option<u32>,
    /// Whether all peers are removed before `peers` are applied.
    pub replace_peers: bool,
    /// Changes of peers, applied in order.
    pub peers: Vec<PeerUpdate>,
}

/// The changes of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUpdate {
    /// The peer's public key.
    pub public_key: PublicKey,
    /// Whether the peer is added, changed or removed.
    pub action: PeerAction,
    /// Preshared key, which is mixed into the handshake.
    pub preshared_key: Option<Change<Secret>>,
    /// Address to send to until authenticated packets arrive from another one.
    pub endpoint: Option<SocketAddr>,
    /// Interval of persistent keepalives in seconds; 0 for none.
    pub keepalive_s: Option<u16>,
    /// Whether all AllowedIPs of the peer are removed before `allowed_ips` are applied.
    pub replace_allowed_ips: bool,
    /// Changes of the peer's AllowedIPs, applied in order.
    pub allowed_ips: Vec<AllowedIpChange>,
}

/// One change of a peer's AllowedIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpChange {
    /// Adds the network to this peer, and removes it from the peer that had it.
    Add(AllowedIp),
    /// Removes the network from this peer.
    Remove(AllowedIp),
}

/// Whether a peer is added, changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAction {
    /// The peer is added if it does not exist.
    AddOrUpdate,
    /// The update is ignored if the peer does not exist.
    UpdateOnly,
    /// The peer is removed.
    Remove,
}

impl PeerUpdate {
    /// An update that adds this peer if it does not exist, and changes nothing else.
    pub fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            action: PeerAction::AddOrUpdate,
            preshared_key: None,
            endpoint: None,
            keepalive_s: None,
            replace_allowed_ips: false,
            allowed_ips: Vec::new(),
        }
    }
}

/// A network of a peer's AllowedIPs. Its host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedIp {
    address: IpAddr,
    prefix_len: u8,
}

impl AllowedIp {
    /// The network of `address`, with its host bits cleared; `None` if the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(ip) if prefix_len <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) if prefix_len <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix_len)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix_len })
    }

    /// Network address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Prefix length in bits.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }
}

impl fmt::Display for AllowedIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Debug for AllowedIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The state of a device, as `get=1` reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// Private key of the interface.
    pub private_key: Option<Secret>,
    /// UDP port that is configured or bound; 0 for none.
    pub listen_port: u16,
    /// SO_MARK of encrypted packets; 0 for none.
    pub fwmark: u32,
    /// All peers, ordered by public key.
    pub peers: Vec<PeerState>,
}

/// The state of one peer of [`DeviceState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// The peer's public key.
    pub public_key: PublicKey,
    /// Preshared key.
    pub preshared_key: Option<Secret>,
    /// The configured address, or the one that the last authenticated packet came from.
    pub endpoint: Option<SocketAddr>,
    /// Time at which the last handshake was completed.
    pub last_handshake: Option<SystemTime>,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Interval of persistent keepalives in seconds; 0 for none.
    pub keepalive_s: u16,
    /// The peer's AllowedIPs, ordered.
    pub allowed_ips: Vec<AllowedIp>,
}

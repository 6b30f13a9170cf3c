//! The engine's own words for a WireGuard interface: what may be asked of it and what it reports.
//!
//! Both sides of the UAPI text protocol and the device behind it speak these types; none of them does I/O.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A name that the kernel takes for an interface and that is safe as a file name: 1 to 15 bytes, no `/`, no `:`, no
/// white space or control characters, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// A text is no interface name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no interface name: 1 to 15 bytes without `/`, `:` and white space")]
pub struct BadInterfaceName(String);

impl InterfaceName {
    /// IFNAMSIZ less the NUL.
    pub const MAX_LEN: usize = 15;

    /// Checks `name`.
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

/// 32 secret bytes: a private or a preshared key. Zeroed on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Takes the bytes out of a buffer that is itself zeroed.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes; whoever copies them zeroes the copy.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// All zero, which in UAPI means "no key".
    pub fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |bits, byte| bits | byte) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A change of something that may also be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// Put this there.
    Set(T),
    /// Take away what is there.
    Remove,
}

impl<T> Change<T> {
    /// What is there afterwards.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Remove => None,
        }
    }
}

/// What one `set=1` asks for. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceUpdate {
    /// Our identity.
    pub private_key: Option<Change<Secret>>,
    /// UDP port; 0 = any free one.
    pub listen_port: Option<u16>,
    /// SO_MARK of encrypted packets; 0 = none.
    pub fwmark: Option<u32>,
    /// Forget every peer before `peers` are applied.
    pub replace_peers: bool,
    /// Applied in order.
    pub peers: Vec<PeerUpdate>,
}

/// What becomes of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUpdate {
    /// Which one.
    pub public_key: PublicKey,
    /// Add, change or remove it.
    pub action: PeerAction,
    /// Symmetric key mixed into the handshake.
    pub preshared_key: Option<Change<Secret>>,
    /// Where to send until it is heard from elsewhere.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: Option<u16>,
    /// Forget its AllowedIPs before `allowed_ips` are applied.
    pub replace_allowed_ips: bool,
    /// Applied in order.
    pub allowed_ips: Vec<AllowedIpChange>,
}

/// One step on a peer's AllowedIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpChange {
    /// Add it; it leaves whichever peer had it.
    Add(AllowedIp),
    /// Remove it from this peer.
    Remove(AllowedIp),
}

/// Whether a peer may be made, must exist, or must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAction {
    /// Made if it is not there.
    AddOrUpdate,
    /// Ignored if it is not there.
    UpdateOnly,
    /// Removed.
    Remove,
}

impl PeerUpdate {
    /// Nothing but the existence of this peer.
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

/// A network whose packets belong to a peer. No host bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedIp {
    address: IpAddr,
    prefix_len: u8,
}

impl AllowedIp {
    /// The network of `address`; `None` if the prefix is longer than the address.
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

    /// Bits of the mask.
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

/// What `get=1` reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// Our identity.
    pub private_key: Option<Secret>,
    /// UDP port asked for or bound; 0 = none.
    pub listen_port: u16,
    /// SO_MARK; 0 = none.
    pub fwmark: u32,
    /// Ordered by key.
    pub peers: Vec<PeerState>,
}

/// One peer of [`DeviceState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// Who.
    pub public_key: PublicKey,
    /// Symmetric key.
    pub preshared_key: Option<Secret>,
    /// Configured, or where it was last heard.
    pub endpoint: Option<SocketAddr>,
    /// When the last handshake ended.
    pub last_handshake: Option<SystemTime>,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Seconds; 0 = off.
    pub keepalive_s: u16,
    /// Ordered.
    pub allowed_ips: Vec<AllowedIp>,
}

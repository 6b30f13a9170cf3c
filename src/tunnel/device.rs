//! Reads and writes WireGuard devices: the only file that uses wireguard-control.
//!
//! An interface with a live UAPI socket is a userspace device; every other belongs to the kernel. Nothing is created here: the library
//! creates a link that is missing, so it is called only for links that exist.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wireguard_control::{
    Backend as Library, Device as LibraryDevice, DeviceUpdate, InterfaceName, Key, PeerConfigBuilder, PeerInfo,
};
use zeroize::{Zeroize as _, Zeroizing};

use super::uapi::{Found, FoundPeer, Uapi, digest, public_half};
use crate::keys::PublicKey;
use crate::net::IfName;
use crate::reconcile::state::{AllowedIps, Backend, ObservedDevice, ObservedPeer, Traffic};
use crate::reconcile::tunnels::{AllowedIpsChange, DeviceChange, PeerChange, PresharedChange};

/// How long reading a device may take.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// How long changing a device may take.
const WRITE_PATIENCE: Duration = Duration::from_secs(3);
/// Calls into the kernel at a time. A call that never returns keeps its thread: this bounds the number of such threads.
const KERNEL_CALLS: usize = 16;

static KERNEL_PLACES: Semaphore = Semaphore::const_new(KERNEL_CALLS);

/// The state of a device.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The back-end that answered.
    pub backend: Backend,
    /// Its configuration and its traffic counters.
    pub device: ObservedDevice,
}

/// Reads the device of `interface`; `None` if there is no device, or it has no private key yet.
///
/// # Errors
/// If it exists and cannot be read, or does not answer in time.
pub async fn observe(interface: &IfName) -> anyhow::Result<Option<Observation>> {
    in_time(READ_PATIENCE, read(interface)).await.with_context(|| format!("reading WireGuard device {interface}"))
}

/// Whether a process answers at the UAPI socket of `interface`.
///
/// # Errors
/// If the socket is there and cannot be connected to.
pub async fn is_served(interface: &IfName) -> anyhow::Result<bool> {
    let connection = Uapi::connect(interface).await;
    Ok(connection.with_context(|| format!("connecting to WireGuard device {interface}"))?.is_some())
}

/// Writes what `change` contains to the device of `interface`, and leaves the rest unchanged.
///
/// # Errors
/// If there is no such device, or it refuses or does not answer in time.
pub async fn configure(interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
    in_time(WRITE_PATIENCE, write(interface, change))
        .await
        .with_context(|| format!("configuring WireGuard device {interface}"))
}

async fn in_time<T>(patience: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match timeout(patience, work).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => bail!("no answer within {} s", patience.as_secs()),
    }
}

async fn read(interface: &IfName) -> anyhow::Result<Option<Observation>> {
    if let Some(device) = Uapi::connect(interface).await? {
        return Ok(observation(device.get().await?, Backend::Userspace));
    }
    let name = library_name(interface)?;
    in_kernel(move || match LibraryDevice::get(&name, Library::Kernel) {
        Ok(device) => Ok(observation(found(device), Backend::Kernel)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

async fn write(interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
    if let Some(device) = Uapi::connect(interface).await? {
        let lines = lines(change);
        wireguard::stack::wipe();
        return Ok(device.set(&lines).await?);
    }
    let name = library_name(interface)?;
    let change = change.clone();
    in_kernel(move || {
        // The library creates a link that is missing: check first.
        match LibraryDevice::get(&name, Library::Kernel) {
            Ok(device) => drop(found(device)),
            Err(error) if is_absent(&error) => return Err(io::Error::from_raw_os_error(libc::ENODEV)),
            Err(error) => return Err(error),
        }
        // The update is built here so that copies of the key on this thread's stack are wiped.
        update(&change).apply(&name, Library::Kernel)
    })
    .await
}

/// Runs `work`, which blocks, in a thread of its own.
async fn in_kernel<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> anyhow::Result<T> {
    let place = KERNEL_PLACES.acquire().await.context("waiting for the kernel")?;
    let outcome = tokio::task::spawn_blocking(move || {
        // Released when the kernel has answered, whether or not somebody still waits for it.
        let _place = place;
        let outcome = work();
        // The library leaves copies of keys on the stack.
        wireguard::stack::wipe();
        outcome
    });
    Ok(outcome.await.context("running a blocking task")??)
}

fn library_name(interface: &IfName) -> anyhow::Result<InterfaceName> {
    interface.as_str().parse().map_err(|error| anyhow::anyhow!("interface name {interface}: {error}"))
}

/// Whether the interface does not exist, is not a WireGuard interface, or the kernel has no WireGuard.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EOPNOTSUPP | libc::ENOENT | libc::ENXIO))
}

/// Converts what the library found, and zeroes the library's copies of keys.
fn found(mut device: LibraryDevice) -> Found {
    let identity = device.private_key.as_mut().and_then(|key| {
        let identity = public_half(&key.0);
        key.0.zeroize();
        identity
    });
    let peers = device.peers.iter_mut().map(|peer| {
        let preshared = peer.config.preshared_key.as_mut().and_then(|key| {
            let found = digest(&key.0);
            key.0.zeroize();
            found
        });
        FoundPeer { preshared, ..found_peer(peer) }
    });
    Found {
        identity,
        listen_port: device.listen_port.unwrap_or(0),
        fwmark: device.fwmark.unwrap_or(0),
        peers: peers.collect(),
    }
}

/// Converts a peer, without its preshared key.
fn found_peer(info: &PeerInfo) -> FoundPeer {
    let networks = info.config.allowed_ips.iter();
    FoundPeer {
        public_key: info.config.public_key.0,
        endpoint: info.config.endpoint,
        keepalive_s: info.config.persistent_keepalive_interval.unwrap_or(0),
        last_handshake: info.stats.last_handshake_time,
        rx_bytes: info.stats.rx_bytes,
        tx_bytes: info.stats.tx_bytes,
        allowed_ips: networks.filter_map(|ip| ipnetwork::IpNetwork::new(ip.address, ip.cidr).ok()).collect(),
        preshared: None,
    }
}

fn observation(mut found: Found, backend: Backend) -> Option<Observation> {
    let now = SystemTime::now();
    let traffic = found.peers.iter().fold(Traffic::default(), |sum, peer| Traffic {
        received: sum.received.saturating_add(peer.rx_bytes),
        sent: sum.sent.saturating_add(peer.tx_bytes),
    });
    // The peer with the latest handshake is the one to keep; any others are unmanaged.
    found.peers.sort_by_key(|peer| peer.last_handshake);
    let last_heard = found.peers.pop();
    let unmanaged: BTreeSet<PublicKey> =
        found.peers.iter().map(|peer| PublicKey::from_bytes(peer.public_key)).collect();
    let device = ObservedDevice {
        public_key: found.identity?,
        listen_port: found.listen_port,
        fwmark: found.fwmark,
        peer: last_heard.map(|info| peer(&info, now)),
        unmanaged,
        traffic,
    };
    Some(Observation { backend, device })
}

fn peer(found: &FoundPeer, now: SystemTime) -> ObservedPeer {
    let has = |address: IpAddr| found.allowed_ips.iter().any(|ip| ip.prefix() == 0 && ip.ip() == address);
    let everything = has(Ipv4Addr::UNSPECIFIED.into()) && has(Ipv6Addr::UNSPECIFIED.into());
    ObservedPeer {
        public_key: PublicKey::from_bytes(found.public_key),
        endpoint: found.endpoint,
        keepalive_s: found.keepalive_s,
        allowed_ips: if everything { AllowedIps::Everything } else { AllowedIps::Incomplete },
        preshared: found.preshared,
        // A handshake in the future was made before the clock was set back.
        handshake_age: found.last_handshake.map(|then| now.duration_since(then).unwrap_or_default()),
    }
}

/// The change as lines of the UAPI protocol. Peers and AllowedIPs are never replaced.
fn lines(change: &DeviceChange) -> Zeroizing<String> {
    /// Room for all lines: a buffer that grows would leave a copy of the key in freed memory.
    const ROOM: usize = 1024;
    /// Octets of the lines that remove a peer.
    const REMOVAL: usize = 96;
    let mut text = Zeroizing::new(String::with_capacity(ROOM + REMOVAL * change.remove.len()));
    if let Some(key) = &change.private_key {
        hex_line(&mut text, "private_key", &key.to_bytes());
    }
    for (key, value) in [("listen_port", change.listen_port.map(u32::from)), ("fwmark", change.fwmark)] {
        if let Some(value) = value {
            line(&mut text, key, value);
        }
    }
    for key in &change.remove {
        hex_line(&mut text, "public_key", key.as_bytes());
        text.push_str("remove=true\n");
    }
    if let Some(peer) = &change.peer {
        hex_line(&mut text, "public_key", peer.public_key.as_bytes());
        if let Some(endpoint) = peer.endpoint {
            line(&mut text, "endpoint", endpoint);
        }
        if let Some(seconds) = peer.keepalive_s {
            line(&mut text, "persistent_keepalive_interval", seconds);
        }
        match peer.allowed_ips {
            AllowedIpsChange::Keep => {}
            AllowedIpsChange::AddEverything => text.push_str("allowed_ip=0.0.0.0/0\nallowed_ip=::/0\n"),
        }
        match &peer.preshared {
            PresharedChange::Keep => {}
            PresharedChange::Remove => hex_line(&mut text, "preshared_key", &[0; 32]),
            PresharedChange::Set(key) => hex_line(&mut text, "preshared_key", &key.to_bytes()),
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    writeln!(text, "{key}={value}").expect("writing to a String never fails");
}

fn hex_line(text: &mut String, key: &str, octets: &[u8; 32]) {
    text.push_str(key);
    text.push('=');
    for octet in octets {
        write!(text, "{octet:02x}").expect("writing to a String never fails");
    }
    text.push('\n');
}

fn update(change: &DeviceChange) -> DeviceUpdate {
    let mut update = DeviceUpdate::new();
    if let Some(key) = &change.private_key {
        update = update.set_private_key(Key(*key.to_bytes()));
    }
    if let Some(port) = change.listen_port {
        update = update.set_listen_port(port);
    }
    if let Some(mark) = change.fwmark {
        update = update.set_fwmark(mark);
    }
    for key in &change.remove {
        update = update.remove_peer_by_key(&Key(*key.as_bytes()));
    }
    match &change.peer {
        Some(peer) => update.add_peer(peer_update(peer)),
        None => update,
    }
}

fn peer_update(change: &PeerChange) -> PeerConfigBuilder {
    let mut peer = PeerConfigBuilder::new(&Key(*change.public_key.as_bytes()));
    if let Some(endpoint) = change.endpoint {
        peer = peer.set_endpoint(endpoint);
    }
    if let Some(seconds) = change.keepalive_s {
        peer = peer.set_persistent_keepalive_interval(seconds);
    }
    match &change.preshared {
        PresharedChange::Keep => {}
        PresharedChange::Remove => peer = peer.unset_preshared_key(),
        PresharedChange::Set(key) => peer = peer.set_preshared_key(Key(*key.to_bytes())),
    }
    match change.allowed_ips {
        AllowedIpsChange::Keep => peer,
        AllowedIpsChange::AddEverything => peer.allow_all_ips(),
    }
}

#[cfg(test)]
mod tests {
    use wireguard_control::PeerConfig;

    use crate::keys::PresharedKey;

    use super::*;

    fn info(key: u8, handshake: Option<Duration>, networks: &[&str]) -> FoundPeer {
        let mut info = PeerInfo::from_public_key(Key([key; 32]));
        info.config.allowed_ips = networks.iter().map(|text| text.parse().unwrap()).collect();
        info.stats.last_handshake_time = handshake.map(|age| SystemTime::now() - age);
        found_peer(&info)
    }

    #[test]
    fn allowed_ips_are_everything_only_with_both_families() {
        let now = SystemTime::now();
        assert_eq!(peer(&info(1, None, &["0.0.0.0/0", "::/0"]), now).allowed_ips, AllowedIps::Everything);
        assert_eq!(peer(&info(1, None, &["0.0.0.0/0"]), now).allowed_ips, AllowedIps::Incomplete);
        assert_eq!(peer(&info(1, None, &["10.0.0.0/8", "::/0"]), now).allowed_ips, AllowedIps::Incomplete);
    }

    #[test]
    fn a_device_without_a_key_is_none_yet() {
        let with = |identity| observation(Found { identity, ..Found::default() }, Backend::Userspace);
        let key = PublicKey::from_bytes([1; 32]);
        assert_eq!(with(Some(key)).unwrap().device.public_key, key);
        assert!(with(None).is_none());
    }

    #[test]
    fn a_handshake_in_the_future_counts_as_fresh() {
        let mut info = info(1, None, &[]);
        let now = SystemTime::now();
        info.last_handshake = Some(now + Duration::from_secs(60));
        assert_eq!(peer(&info, now).handshake_age, Some(Duration::ZERO));
    }

    #[test]
    fn a_change_never_replaces_peers_or_allowed_ips() {
        let change = DeviceChange {
            remove: vec![PublicKey::from_bytes([9; 32])],
            peer: Some(PeerChange {
                public_key: PublicKey::from_bytes([1; 32]),
                endpoint: "192.0.2.1:1".parse().ok(),
                keepalive_s: Some(25),
                allowed_ips: AllowedIpsChange::AddEverything,
                preshared: PresharedChange::Set(PresharedKey::from_bytes(&[7; 32])),
            }),
            ..DeviceChange::default()
        };
        let written = format!("{:?}", update(&change));
        assert!(written.contains("replace_peers: false"), "{written}");
        assert!(!written.contains("replace_allowed_ips: true"), "{written}");
        let config: PeerConfig = peer_update(change.peer.as_ref().unwrap()).into_peer_config();
        assert_eq!(config.allowed_ips.len(), 2);
        assert_eq!(config.persistent_keepalive_interval, Some(25));
        let one = "01".repeat(32);
        let nine = "09".repeat(32);
        let expected = format!(
            "public_key={nine}\nremove=true\npublic_key={one}\nendpoint=192.0.2.1:1\npersistent_keepalive_interval=25\n\
             allowed_ip=0.0.0.0/0\nallowed_ip=::/0\npreshared_key={}\n",
            "07".repeat(32)
        );
        assert_eq!(*lines(&change), expected);
    }
}

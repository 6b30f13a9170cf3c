//! Reading and writing WireGuard devices: the only file that names wireguard-control.
//!
//! An interface with a live UAPI socket is a userspace one, every other belongs to the kernel. Nothing is created here:
//! the library would make a missing link, or start a program for a missing socket, so it is asked only about what exists.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use wireguard_control::{
    Backend as Library, Device as Found, DeviceUpdate, InterfaceName, Key, PeerConfigBuilder, PeerInfo,
};
use zeroize::Zeroize as _;

use crate::keys::PublicKey;
use crate::mesh::IfName;
use crate::reconcile::state::{AllowedIps, Backend, Device, Identity, Peer};
use crate::reconcile::tunnels::{AllowedIpsChange, DeviceChange, PeerChange};

/// A device that does not answer for so long is given up on; the library itself waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the library looks for UAPI sockets, in its order.
const UAPI_DIRS: [&str; 2] = ["/var/run/wireguard", "/run/wireguard"];

/// A device as it is, and what passed through it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Who answered.
    pub backend: Backend,
    /// Its configuration.
    pub device: Device,
    /// Bytes received from its peers.
    pub rx_bytes: u64,
    /// Bytes sent to its peers.
    pub tx_bytes: u64,
}

/// Reads the device of `interface`; `None` if nothing answers for it, or it has no private key yet.
///
/// # Errors
/// If it exists and cannot be read, or does not answer in time.
pub async fn observe(interface: &IfName) -> anyhow::Result<Option<Observation>> {
    let name = library_name(interface)?;
    blocking(move || read(&name)).await.with_context(|| format!("reading WireGuard device {interface}"))
}

/// Writes what `change` names to the device of `interface` and leaves the rest alone.
///
/// # Errors
/// If there is no such device, or it refuses.
pub async fn configure(interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
    let name = library_name(interface)?;
    let change = change.clone();
    blocking(move || {
        // The library makes what is missing: look first.
        match backend(&name)? {
            // Here, for what is moved within this task leaves copies of the key that nobody wipes.
            Some(backend) => update(&change).apply(&name, backend),
            None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        }
    })
    .await
    .with_context(|| format!("configuring WireGuard device {interface}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> anyhow::Result<T> {
    let work = || {
        let outcome = work();
        // The library hands keys from frame to frame.
        wireguard::stack::wipe();
        outcome
    };
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(outcome) => Ok(outcome.context("running a blocking task")??),
        Err(_elapsed) => bail!("no answer within {} s", PATIENCE.as_secs()),
    }
}

fn library_name(interface: &IfName) -> anyhow::Result<InterfaceName> {
    interface.as_str().parse().map_err(|error| anyhow::anyhow!("interface name {interface}: {error}"))
}

fn read(name: &InterfaceName) -> io::Result<Option<Observation>> {
    let backend = if serves(name) { Library::Userspace } else { Library::Kernel };
    match Found::get(name, backend) {
        Ok(found) => Ok(observation(found, backend)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who has the device; `None` if there is none.
fn backend(name: &InterfaceName) -> io::Result<Option<Library>> {
    if serves(name) {
        return Ok(Some(Library::Userspace));
    }
    match Found::get(name, Library::Kernel) {
        Ok(mut found) => {
            forget_keys(&mut found);
            Ok(Some(Library::Kernel))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process answers at the UAPI socket of this interface.
fn serves(name: &InterfaceName) -> bool {
    let dir = UAPI_DIRS.iter().map(Path::new).find(|dir| dir.exists());
    let socket: Option<PathBuf> = dir.map(|dir| dir.join(format!("{name}.sock")));
    socket.is_some_and(|socket| UnixStream::connect(socket).is_ok())
}

/// No such interface, one that is not WireGuard's, or a kernel without WireGuard.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EOPNOTSUPP | libc::ENOENT | libc::ENXIO))
}

fn observation(mut found: Found, backend: Library) -> Option<Observation> {
    let identity = found.public_key.as_ref().filter(|_| has_private_key(&found)).map(public_key);
    forget_keys(&mut found);
    let now = SystemTime::now();
    let (rx_bytes, tx_bytes) =
        found.peers.iter().fold((0, 0), |(rx, tx), peer| (rx + peer.stats.rx_bytes, tx + peer.stats.tx_bytes));
    // The peer is the one last heard from; those next to it do not belong there.
    found.peers.sort_by_key(|peer| peer.stats.last_handshake_time);
    let last_heard = found.peers.pop();
    let strangers: BTreeSet<PublicKey> = found.peers.iter().map(|peer| public_key(&peer.config.public_key)).collect();
    let device = Device {
        identity: Identity::Observed(identity?),
        listen_port: found.listen_port.unwrap_or(0),
        fwmark: found.fwmark.unwrap_or(0),
        peer: last_heard.map(|info| peer(&info, now)),
        strangers,
    };
    let backend = match backend {
        Library::Kernel => Backend::Kernel,
        Library::Userspace => Backend::Userspace,
    };
    Some(Observation { backend, device, rx_bytes, tx_bytes })
}

fn peer(info: &PeerInfo, now: SystemTime) -> Peer {
    let has = |address: IpAddr| info.config.allowed_ips.iter().any(|ip| ip.cidr == 0 && ip.address == address);
    let everything = has(Ipv4Addr::UNSPECIFIED.into()) && has(Ipv6Addr::UNSPECIFIED.into());
    Peer {
        public_key: public_key(&info.config.public_key),
        endpoint: info.config.endpoint,
        keepalive_s: info.config.persistent_keepalive_interval.unwrap_or(0),
        allowed_ips: if everything { AllowedIps::Everything } else { AllowedIps::Incomplete },
        // A handshake in the future is one of a clock that was set back since.
        handshake_age: info.stats.last_handshake_time.map(|then| now.duration_since(then).unwrap_or_default()),
    }
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
    match change.allowed_ips {
        AllowedIpsChange::Keep => peer,
        AllowedIpsChange::AddEverything => peer.allow_all_ips(),
    }
}

fn public_key(key: &Key) -> PublicKey {
    PublicKey::from_bytes(key.0)
}

/// The key of zeros stands for none.
fn has_private_key(found: &Found) -> bool {
    found.private_key.as_ref().is_some_and(|key| key.0 != [0; 32])
}

fn forget_keys(found: &mut Found) {
    if let Some(key) = &mut found.private_key {
        key.0.zeroize();
    }
    for key in found.peers.iter_mut().filter_map(|peer| peer.config.preshared_key.as_mut()) {
        key.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use wireguard_control::PeerConfig;

    use super::*;

    fn info(key: u8, heard: Option<Duration>, networks: &[&str]) -> PeerInfo {
        let mut info = PeerInfo::from_public_key(Key([key; 32]));
        info.config.allowed_ips = networks.iter().map(|text| text.parse().unwrap()).collect();
        info.stats.last_handshake_time = heard.map(|age| SystemTime::now() - age);
        info
    }

    #[test]
    fn allowed_ips_are_everything_only_with_both_families() {
        let now = SystemTime::now();
        assert_eq!(peer(&info(1, None, &["0.0.0.0/0", "::/0"]), now).allowed_ips, AllowedIps::Everything);
        assert_eq!(peer(&info(1, None, &["0.0.0.0/0"]), now).allowed_ips, AllowedIps::Incomplete);
        assert_eq!(peer(&info(1, None, &["10.0.0.0/8", "::/0"]), now).allowed_ips, AllowedIps::Incomplete);
    }

    #[test]
    fn a_handshake_in_the_future_counts_as_fresh() {
        let mut info = info(1, None, &[]);
        let now = SystemTime::now();
        info.stats.last_handshake_time = Some(now + Duration::from_secs(60));
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
            }),
            ..DeviceChange::default()
        };
        let written = format!("{:?}", update(&change));
        assert!(written.contains("replace_peers: false"), "{written}");
        assert!(!written.contains("replace_allowed_ips: true"), "{written}");
        let config: PeerConfig = peer_update(change.peer.as_ref().unwrap()).into_peer_config();
        assert_eq!(config.allowed_ips.len(), 2);
        assert_eq!(config.persistent_keepalive_interval, Some(25));
    }
}

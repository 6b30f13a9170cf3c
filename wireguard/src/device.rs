//! The data path: one WireGuard device between a TUN interface and a UDP socket.
//!
//! This is the only file that names the crate which does the work today (gotatun). Whoever replaces it keeps
//! [`Device`]'s methods: `open`, `apply`, `state`, `mtu_changed`, `failure` and `stop`; parsing, sockets and lifetimes are elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use gotatun::device::configure::{DeviceWrite, PeerStats};
use gotatun::device::{DeviceBuilder, Error as GotatunError, Peer};
use gotatun::packet::{Ip, Packet, PacketBufPool};
use gotatun::tun::{IpRecv, IpSend, MtuWatcher};
use gotatun::udp::socket::{UdpSocket, UdpSocketFactory};
use gotatun::udp::{UdpRecv, UdpTransportFactory, UdpTransportFactoryParams};
use ipnetwork::IpNetwork;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::{Mutex, watch};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::config::{
    AllowedIp, AllowedIpChange, Change, DeviceState, DeviceUpdate, PeerAction, PeerState, PeerUpdate, PublicKey, Secret,
};
use crate::tun::{Tun, is_deleted};

/// Receive buffer of a UDP socket, bytes: a burst of large OSPF updates or of one TCP window fits.
const UDP_RECEIVE_BUFFER: usize = 7 << 20;

/// How often, and how far apart, a port is tried again that our own closing socket may still hold.
const BIND_ATTEMPTS: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(5);

/// Two readings of one handshake differ by less than this: the data path keeps its age in steps of 250 ms.
const HANDSHAKE_JITTER: Duration = Duration::from_millis(1500);

type Transports = (UdpSockets, TunPort, TunPort);

/// A WireGuard device on the TUN interface that it was opened on.
pub struct Device {
    mtu: watch::Sender<u16>,
    /// Held over a whole `apply`, so that two clients' changes do not interleave; the data path never takes it.
    control: Mutex<Control>,
    trouble: Trouble,
}

/// The data path, and what it does not remember for us.
struct Control {
    inner: gotatun::device::Device<Transports>,
    /// Ours; `None` while no private key is configured.
    identity: Option<PublicKey>,
    flow: Flow,
    /// Last handshake of each peer: the data path forgets it with the session.
    handshakes: BTreeMap<PublicKey, SystemTime>,
}

/// Whether packets flow. They do as soon as there are a private key and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nothing to do yet.
    Idle,
    /// Bound to its port.
    Running,
    /// It should run, but its port was refused: the next `apply` tries again.
    Refused,
}

impl Device {
    /// A device without key, port or peers. Nothing is bound before there are a key and a peer.
    pub async fn open(tun: Arc<Tun>) -> io::Result<Self> {
        let (mtu, mtu_receiver) = watch::channel(tun.mtu()?);
        let trouble = Trouble::default();
        let port = TunPort { tun, mtu: mtu_receiver.into(), trouble: trouble.clone() };
        let inner = DeviceBuilder::new()
            .with_udp(UdpSockets { factory: UdpSocketFactory::default(), trouble: trouble.clone() })
            .with_ip(port)
            .with_private_key(nobody())
            .suspended(true)
            .build()
            .await
            .map_err(into_io)?;
        let control = Control { inner, identity: None, flow: Flow::Idle, handshakes: BTreeMap::new() };
        Ok(Self { mtu, control: Mutex::new(control), trouble })
    }

    /// Applies `update`: key, mark and port first, then peers in their order.
    ///
    /// `EADDRINUSE` and the like if the port is refused: a running device goes on with its old port and leaves the
    /// peers as they were; one that was about to start has the peers, reports port 0 and tries again next time.
    pub async fn apply(&self, update: DeviceUpdate) -> io::Result<()> {
        let mut control = self.control.lock().await;
        let outcome = control.apply(update).await;
        // The keys of the request went through frames that are free again.
        crate::stack::wipe();
        outcome
    }

    /// What `get=1` reports.
    pub async fn state(&self) -> DeviceState {
        let mut control = self.control.lock().await;
        let (private_key, port, mark, stats) = control
            .inner
            .read(async |device| {
                let key = device.private_key().map(|key| Secret::new(Zeroizing::new(key.to_bytes())));
                (key, device.listen_port(), device.fwmark(), device.peers().await)
            })
            .await;
        let now = SystemTime::now();
        let mut peers: Vec<PeerState> = stats.into_iter().map(|peer| control.peer_state(peer, now)).collect();
        peers.sort_by_key(|peer| peer.public_key);
        control.handshakes.retain(|key, _| peers.binary_search_by_key(key, |peer| peer.public_key).is_ok());
        DeviceState {
            private_key: control.identity.and(private_key),
            listen_port: if control.flow == Flow::Refused { 0 } else { port },
            fwmark: mark.unwrap_or(0),
            peers,
        }
    }

    /// Tells the data path the interface's MTU: padding never makes a packet larger than it.
    pub fn mtu_changed(&self, mtu: u16) {
        self.mtu.send_if_modified(|known| std::mem::replace(known, mtu) != mtu);
    }

    /// Why the data path has ended for good, though nobody stopped it; `None` while it works.
    ///
    /// gotatun's own word on it is not taken: of the tasks that it stops for a new port or key, the first to end may leave another
    /// a closed channel, which that one reports as a fatal error, for good.
    pub fn failure(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Closes the sockets and lets go of the TUN interface.
    pub async fn stop(self) {
        self.control.into_inner().inner.stop().await;
    }
}

impl Control {
    async fn apply(&mut self, update: DeviceUpdate) -> io::Result<()> {
        let old_port = self.inner.read(async |device| device.listen_port()).await;
        if let Some(change) = &update.private_key {
            self.identity = self.set_identity(change).await?;
        }
        let interface = self.inner.write(async |device| {
            if let Some(mark) = update.fwmark {
                device.set_fwmark(mark)?;
            }
            if let Some(port) = update.listen_port {
                device.set_listen_port(port);
            }
            Ok(())
        });
        if let Err(error) = interface.await.and_then(|outcome| outcome) {
            self.inner.suspend().await;
            self.flow = Flow::Refused;
            self.set_port_while_suspended(old_port).await?;
            self.settle().await?;
            return Err(into_io(error));
        }
        let identity = self.identity;
        let peers = self.inner.write(async |device| {
            if update.replace_peers {
                remove_all_peers(device).await;
            }
            for peer in &update.peers {
                if Some(peer.public_key) == identity {
                    continue; // as the kernel does: one may not be one's own peer
                }
                apply_peer(device, peer).await;
            }
            if let Some(own) = identity {
                device.remove_peer(&own.0.into()).await;
            }
        });
        peers.await.map_err(into_io)?;
        self.settle().await
    }

    async fn set_identity(&self, change: &Change<Secret>) -> io::Result<Option<PublicKey>> {
        let (key, identity) = match change {
            Change::Set(secret) => {
                let key = StaticSecret::from(*secret.expose());
                let public = PublicKey(x25519_dalek::PublicKey::from(&key).to_bytes());
                (key, Some(public))
            }
            Change::Remove => (nobody(), None),
        };
        self.inner.set_private_key(key).await.map_err(into_io)?;
        Ok(identity)
    }

    /// Starts or stops the flow of packets, whichever the configuration now calls for.
    async fn settle(&mut self) -> io::Result<()> {
        let has_peers = !self.inner.peers().await.is_empty();
        match (self.identity.is_some() && has_peers, self.flow) {
            (true, Flow::Running) | (false, Flow::Idle) => Ok(()),
            (false, Flow::Running | Flow::Refused) => {
                self.inner.suspend().await;
                self.flow = Flow::Idle;
                Ok(())
            }
            (true, Flow::Idle | Flow::Refused) => match self.inner.resume().await {
                Ok(()) => {
                    self.flow = Flow::Running;
                    Ok(())
                }
                Err(error) => {
                    self.inner.suspend().await;
                    self.flow = Flow::Refused;
                    Err(into_io(error))
                }
            },
        }
    }

    async fn set_port_while_suspended(&self, port: u16) -> io::Result<()> {
        self.inner.set_listen_port(port).await.map_err(into_io)
    }

    fn peer_state(&mut self, PeerStats { peer, stats, .. }: PeerStats, now: SystemTime) -> PeerState {
        let public_key = PublicKey(peer.public_key.to_bytes());
        if let Some(read) = stats.last_handshake.and_then(|age| now.checked_sub(age)) {
            let known = self.handshakes.entry(public_key).or_insert(read);
            let apart = read.duration_since(*known).unwrap_or_else(|error| error.duration());
            if apart > HANDSHAKE_JITTER {
                *known = read;
            }
        }
        let mut allowed_ips: Vec<AllowedIp> =
            peer.allowed_ips.iter().filter_map(|net| AllowedIp::new(net.ip(), net.prefix())).collect();
        allowed_ips.sort();
        PeerState {
            public_key,
            preshared_key: peer.preshared_key.map(|key| Secret::new(Zeroizing::new(key))),
            endpoint: peer.endpoint,
            last_handshake: self.handshakes.get(&public_key).copied(),
            tx_bytes: stats.tx_bytes as u64,
            rx_bytes: stats.rx_bytes as u64,
            keepalive_s: peer.keepalive.unwrap_or(0),
            allowed_ips,
        }
    }
}

/// gotatun wants a key before it takes peers: without a configured one the device holds a key that nobody knows, and
/// stays suspended.
fn nobody() -> StaticSecret {
    StaticSecret::random()
}

async fn remove_all_peers(device: &mut DeviceWrite<'_, Transports>) {
    for PeerStats { peer, .. } in device.peers().await {
        device.remove_peer(&peer.public_key).await;
    }
}

async fn apply_peer(device: &mut DeviceWrite<'_, Transports>, update: &PeerUpdate) {
    let key = x25519_dalek::PublicKey::from(update.public_key.0);
    let before = device.peers().await;
    let known = before.iter().find(|other| other.peer.public_key == key);
    match (update.action, known) {
        (PeerAction::Remove, _) => {
            device.remove_peer(&key).await;
            return;
        }
        (PeerAction::UpdateOnly, None) => return,
        (PeerAction::AddOrUpdate, None) => {
            device.add_peer(Peer::new(key));
        }
        (PeerAction::AddOrUpdate | PeerAction::UpdateOnly, Some(_)) => {}
    }

    let old: Vec<IpNetwork> = known.map(|known| known.peer.allowed_ips.clone()).unwrap_or_default();
    let mut new = if update.replace_allowed_ips { Vec::new() } else { old.clone() };
    for change in &update.allowed_ips {
        match change {
            AllowedIpChange::Add(network) => {
                let network = into_ipnetwork(network);
                if !new.contains(&network) {
                    new.push(network);
                }
            }
            AllowedIpChange::Remove(network) => new.retain(|present| *present != into_ipnetwork(network)),
        }
    }
    // A network belongs to one peer: it leaves the one that had it.
    for other in before.iter().filter(|other| other.peer.public_key != key) {
        let kept: Vec<IpNetwork> = other.peer.allowed_ips.iter().filter(|net| !new.contains(net)).copied().collect();
        if kept.len() != other.peer.allowed_ips.len() {
            set_allowed_ips(device, &other.peer.public_key, kept).await;
        }
    }
    if new != old {
        set_allowed_ips(device, &key, new).await;
    }
    device
        .modify_peer(&key, |peer| {
            if let Some(change) = &update.preshared_key {
                peer.set_preshared_key(change.clone().into_option().map(|secret| *secret.expose()));
            }
            if let Some(endpoint) = update.endpoint {
                peer.set_endpoint(Some(endpoint));
            }
            if let Some(seconds) = update.keepalive_s {
                peer.set_keepalive((seconds > 0).then_some(seconds));
            }
        })
        .await;
}

async fn set_allowed_ips(device: &mut DeviceWrite<'_, Transports>, key: &x25519_dalek::PublicKey, to: Vec<IpNetwork>) {
    device
        .modify_peer(key, |peer| {
            peer.clear_allowed_ips();
            peer.add_allowed_ips(to);
        })
        .await;
}

fn into_ipnetwork(network: &AllowedIp) -> IpNetwork {
    let address: IpAddr = network.address();
    IpNetwork::new(address, network.prefix_len()).expect("an AllowedIp's prefix fits its address")
}

fn into_io(error: GotatunError) -> io::Error {
    match error {
        GotatunError::IoError(error) | GotatunError::Bind(error, _) => error,
        other => io::Error::other(other),
    }
}

/// The first error of a socket or the TUN device that ended the data path, which itself does not say it to anybody.
#[derive(Debug, Clone, Default)]
struct Trouble(Arc<OnceLock<String>>);

impl Trouble {
    /// Takes note of what `outcome` says, if it is an error.
    fn note<T>(&self, doing: &str, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            self.0.get_or_init(|| format!("{doing}: {error}"));
        })
    }

    fn get(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// Opens the UDP socket, IPv4 and IPv6 in one.
struct UdpSockets {
    factory: UdpSocketFactory,
    trouble: Trouble,
}

/// The receiving side of a socket. An error of it ends the data path.
struct UdpPort {
    socket: UdpSocket,
    trouble: Trouble,
}

impl UdpRecv for UdpPort {
    type RecvManyBuf = <UdpSocket as UdpRecv>::RecvManyBuf;

    async fn recv_from(&mut self, pool: &mut PacketBufPool) -> io::Result<(Packet, SocketAddr)> {
        let received = self.socket.recv_from(pool).await;
        self.trouble.note("receiving from the UDP socket", received)
    }

    async fn recv_many_from(
        &mut self,
        buffers: &mut Self::RecvManyBuf,
        pool: &mut PacketBufPool,
        packets: &mut Vec<(Packet, SocketAddr)>,
    ) -> io::Result<()> {
        let received = self.socket.recv_many_from(buffers, pool, packets).await;
        self.trouble.note("receiving from the UDP socket", received)
    }
}

impl UdpTransportFactory for UdpSockets {
    type Send = UdpSocket;
    type Recv = UdpPort;

    async fn bind(&mut self, params: &UdpTransportFactoryParams) -> io::Result<(UdpSocket, UdpPort)> {
        // When a device binds its own port anew, the tasks that hold the old socket may not have ended yet.
        let mut attempts = 1;
        let (sender, receiver) = loop {
            match self.factory.bind(params).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < BIND_ATTEMPTS => {
                    attempts += 1;
                    tokio::time::sleep(BIND_PAUSE).await;
                }
                outcome => break outcome?,
            }
        };
        if let Err(error) = setsockopt(&receiver, sockopt::RcvBufForce, &UDP_RECEIVE_BUFFER) {
            tracing::debug!(%error, bytes = UDP_RECEIVE_BUFFER, "UDP receive buffer stays at the system's default");
        }
        Ok((sender, UdpPort { socket: receiver, trouble: self.trouble.clone() }))
    }
}

/// The TUN interface as gotatun wants it.
#[derive(Clone)]
struct TunPort {
    tun: Arc<Tun>,
    mtu: MtuWatcher,
    trouble: Trouble,
}

impl IpSend for TunPort {
    async fn send(&mut self, packet: Packet<Ip>) -> io::Result<()> {
        match self.tun.send(&packet.into_bytes()).await {
            Err(error) if !is_deleted(&error) => {
                // EIO while the interface is down: the packet is lost, the device is not.
                tracing::trace!(%error, "TUN device refused a packet");
                Ok(())
            }
            outcome => self.trouble.note("writing to the TUN device", outcome),
        }
    }
}

impl IpRecv for TunPort {
    async fn recv<'a>(
        &'a mut self,
        pool: &mut PacketBufPool,
    ) -> io::Result<impl Iterator<Item = Packet<Ip>> + Send + 'a> {
        loop {
            let mut packet = pool.get();
            let length = self.trouble.note("reading from the TUN device", self.tun.recv(&mut packet).await)?;
            packet.truncate(length);
            if let Ok(packet) = packet.try_into_ip() {
                return Ok(std::iter::once(packet));
            }
        }
    }

    fn mtu(&self) -> MtuWatcher {
        self.mtu.clone()
    }
}

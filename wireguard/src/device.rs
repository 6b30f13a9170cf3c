//! The data path: one WireGuard device between a TUN interface and a UDP socket.
//!
//! This is the only file that names the crate which moves packets today (gotatun). A replacement of that crate must keep the methods of
//! [`Device`]: `open`, `apply`, `state`, `mtu_changed`, `failure` and `stop`; parsing, sockets and lifetimes are elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use gotatun::device::configure::{DeviceWrite, PeerStats};
use gotatun::device::{DeviceBuilder, Error as GotatunError, Peer};
use gotatun::packet::{Ip, Packet, PacketBufPool};
use gotatun::tun::{IpRecv, IpSend, MtuWatcher};
use gotatun::udp::socket::{UdpSocket, UdpSocketFactory};
use gotatun::udp::{UdpRecv, UdpSend, UdpTransportFactory, UdpTransportFactoryParams};
use ipnetwork::IpNetwork;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::sync::{Mutex, watch};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::config::{
    AllowedIp, AllowedIpChange, Change, DeviceState, DeviceUpdate, PeerAction, PeerState, PeerUpdate, PublicKey, Secret,
};
use crate::endpoint::{Source, Sources, pack_without_source, remote_of};
use crate::route::{self, Routes};
use crate::tun::{Tun, is_deleted};
use crate::udp;

/// Receive buffer of a UDP socket in bytes: enough for a burst of large OSPF updates, or of one TCP window.
const UDP_RECEIVE_BUFFER: usize = 7 << 20;

/// How often, and how far apart, binding is tried again for a port that our own closing socket may still hold.
const BIND_ATTEMPTS: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(5);

/// Two readings of the time of one handshake differ by less than this: the data path counts its age in steps of 250 ms.
const HANDSHAKE_JITTER: Duration = Duration::from_millis(1500);

type Transports = (UdpSockets, TunPort, TunPort);

/// A WireGuard device on the TUN interface that it was opened on.
pub struct Device {
    mtu: watch::Sender<u16>,
    /// Locked for the whole of an `apply`, so that the changes of two clients do not interleave; the data path never locks it.
    control: Mutex<Control>,
    trouble: Trouble,
}

/// The data path, and the state that it does not keep itself.
struct Control {
    inner: gotatun::device::Device<Transports>,
    /// Public key of this device; `None` while no private key is configured.
    identity: Option<PublicKey>,
    flow: Flow,
    /// Time of each peer's last handshake: the data path forgets it at the end of the session.
    handshakes: BTreeMap<PublicKey, SystemTime>,
}

/// Whether the data path runs. It runs as soon as there are a private key and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// It lacks a private key or a peer.
    Idle,
    /// It runs, and its port is bound.
    Running,
    /// It should run, but its port could not be bound: the next `apply` tries again.
    Refused,
}

impl Device {
    /// Opens a device without key, port and peers. No port is bound before there are a key and a peer.
    pub async fn open(tun: Arc<Tun>) -> io::Result<Self> {
        let (mtu, mtu_receiver) = watch::channel(tun.mtu()?);
        let trouble = Trouble::default();
        let port = TunPort { tun, mtu: mtu_receiver.into(), trouble: trouble.clone() };
        let inner = DeviceBuilder::new()
            .with_udp(UdpSockets {
                factory: UdpSocketFactory::default(),
                sources: Arc::default(),
                trouble: trouble.clone(),
            })
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
    /// Fails with `EADDRINUSE` or a similar error if the port cannot be bound. A device that was running then keeps its old port, and its
    /// peers stay unchanged. A device that was about to start has the new peers, reports port 0, and tries again at the next `apply`.
    pub async fn apply(&self, update: DeviceUpdate) -> io::Result<()> {
        let mut control = self.control.lock().await;
        let outcome = control.apply(update).await;
        // The keys of the request were in stack frames that are free again.
        crate::stack::wipe();
        outcome
    }

    /// The state of the device, as `get=1` reports it.
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

    /// Sets the interface's MTU for the data path: padding never makes a packet larger than the MTU.
    pub fn mtu_changed(&self, mtu: u16) {
        self.mtu.send_if_modified(|known| std::mem::replace(known, mtu) != mtu);
    }

    /// The reason why the data path ended by itself; `None` while it works. It does not recover.
    ///
    /// gotatun's own report of fatal errors is not used: when it stops its tasks for a new port or key, the first task to end may leave
    /// another one with a closed channel, which that task reports as a permanent fatal error.
    pub fn failure(&self) -> Option<String> {
        self.trouble.get()
    }

    /// Closes the sockets and releases the TUN interface.
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
                // As in the kernel: rules may route packets with another mark another way.
                clear_sources(device).await;
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
            self.start_or_stop().await?;
            return Err(into_io(error));
        }
        let identity = self.identity;
        let peers = self.inner.write(async |device| {
            if update.replace_peers {
                remove_all_peers(device).await;
            }
            for peer in &update.peers {
                if Some(peer.public_key) == identity {
                    continue; // as in the kernel: a device may not be its own peer
                }
                apply_peer(device, peer).await;
            }
            if let Some(own) = identity {
                device.remove_peer(&own.0.into()).await;
            }
        });
        peers.await.map_err(into_io)?;
        self.start_or_stop().await
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

    /// Starts or stops the data path, as the configuration requires.
    async fn start_or_stop(&mut self) -> io::Result<()> {
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
            endpoint: peer.endpoint.map(remote_of),
            last_handshake: self.handshakes.get(&public_key).copied(),
            tx_bytes: stats.tx_bytes as u64,
            rx_bytes: stats.rx_bytes as u64,
            keepalive_s: peer.keepalive.unwrap_or(0),
            allowed_ips,
        }
    }
}

/// A random private key, for a device without a configured one: gotatun needs a key before it accepts peers. The device stays suspended
/// meanwhile.
fn nobody() -> StaticSecret {
    StaticSecret::random()
}

async fn remove_all_peers(device: &mut DeviceWrite<'_, Transports>) {
    for PeerStats { peer, .. } in device.peers().await {
        device.remove_peer(&peer.public_key).await;
    }
}

/// Clears the sources of all peers: the routing table decides which address packets leave from, until the peers send packets again.
async fn clear_sources(device: &mut DeviceWrite<'_, Transports>) {
    for PeerStats { peer, .. } in device.peers().await {
        if let Some(endpoint) = peer.endpoint {
            device.modify_peer(&peer.public_key, |peer| peer.set_endpoint(Some(pack_without_source(endpoint)))).await;
        }
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
    // A network belongs to one peer only: it is removed from the peer that had it.
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
                peer.set_endpoint(Some(pack_without_source(endpoint)));
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

/// The first error of a socket or of the TUN device that ended the data path, which itself does not report it.
#[derive(Debug, Clone, Default)]
struct Trouble(Arc<OnceLock<String>>);

impl Trouble {
    /// Records the error of `outcome`, if it is one and the first.
    fn note<T>(&self, doing: &str, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            self.0.get_or_init(|| format!("{doing}: {error}"));
        })
    }

    fn get(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// Opens the UDP socket, which serves both IPv4 and IPv6.
struct UdpSockets {
    factory: UdpSocketFactory,
    /// Outlives the sockets, as the peers' endpoints do.
    sources: Arc<Sources>,
    trouble: Trouble,
}

/// The receiving side of a socket. An error of it ends the data path.
struct UdpPort {
    socket: UdpSocket,
    sources: Arc<Sources>,
    trouble: Trouble,
    /// Packets that [`UdpRecv::recv_from`] has received and not yet returned.
    waiting: VecDeque<(Packet, SocketAddr)>,
}

/// The sending side of a socket. Addresses are packed endpoints.
#[derive(Clone)]
struct UdpSender {
    socket: UdpSocket,
    port: u16,
    sources: Arc<Sources>,
    routes: Arc<Routes>,
}

impl UdpRecv for UdpPort {
    type RecvManyBuf = udp::Buffers;

    async fn recv_from(&mut self, pool: &mut PacketBufPool) -> io::Result<(Packet, SocketAddr)> {
        loop {
            if let Some(received) = self.waiting.pop_front() {
                return Ok(received);
            }
            let mut packets = Vec::new();
            self.recv_many_from(&mut udp::Buffers::default(), pool, &mut packets).await?;
            self.waiting.extend(packets);
        }
    }

    async fn recv_many_from(
        &mut self,
        buffers: &mut udp::Buffers,
        pool: &mut PacketBufPool,
        packets: &mut Vec<(Packet, SocketAddr)>,
    ) -> io::Result<()> {
        let socket = self.socket.socket();
        let receive = || {
            udp::receive(socket.as_fd(), buffers, |endpoint, datagram| {
                let mut packet = pool.get();
                packet.buf_mut().clear();
                packet.buf_mut().extend_from_slice(datagram);
                packets.push((packet, self.sources.pack(endpoint)));
            })
        };
        let received = socket.async_io(Interest::READABLE, receive).await;
        self.trouble.note("receiving from the UDP socket", received)
    }
}

impl UdpSender {
    /// The address of this machine that packets leave from; `None` leaves it to the routing table.
    fn source(&self, packed: SocketAddr) -> Option<Source> {
        let endpoint = self.sources.unpack(packed);
        self.routes.usable_source(packed, &endpoint, Instant::now(), |endpoint, source| {
            let mark = getsockopt(&self.socket, sockopt::Mark)?;
            route::leaves_by(endpoint, source, self.port, mark)
        })
    }

    /// Sends the first of `packets` (at least one) and those following it that leave from the same address; returns how many were sent.
    async fn send_some(&self, packets: &[(Packet, SocketAddr)]) -> io::Result<usize> {
        let Some((_, first)) = packets.first() else { return Ok(0) };
        let source = self.source(*first);
        let alike = packets.iter().take_while(|(_, to)| to == first || self.source(*to) == source).count();
        let socket = self.socket.socket();
        let send = || {
            let datagrams = packets.iter().take(alike).map(|(packet, to)| (&packet[..], remote_of(*to)));
            Ok(udp::send(socket.as_fd(), datagrams, source)?)
        };
        match socket.async_io(Interest::WRITABLE, send).await {
            // If the cause is another one, sending without the source fails as well, and that error is reported.
            Err(error) if source.is_some() && udp::may_be_for_the_source(&error) => {
                self.routes.refused(*first, Instant::now());
                Ok(0)
            }
            outcome => outcome,
        }
    }

    async fn send_all(&self, packets: &[(Packet, SocketAddr)]) -> io::Result<()> {
        let mut sent = 0;
        while sent < packets.len() {
            sent += self.send_some(&packets[sent..]).await?;
        }
        Ok(())
    }
}

impl UdpSend for UdpSender {
    type SendManyBuf = ();

    async fn send_to(&self, packet: Packet, to: SocketAddr) -> io::Result<()> {
        self.send_all(&[(packet, to)]).await
    }

    fn max_number_of_packets_to_send(&self) -> usize {
        udp::BATCH
    }

    async fn send_many_to(&self, (): &mut (), packets: &mut Vec<(Packet, SocketAddr)>) -> io::Result<()> {
        self.send_all(packets).await?;
        packets.clear();
        Ok(())
    }

    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.socket.local_addr().map(Some)
    }

    fn set_fwmark(&self, mark: u32) -> io::Result<()> {
        self.socket.set_fwmark(mark)
    }
}

impl UdpTransportFactory for UdpSockets {
    type Send = UdpSender;
    type Recv = UdpPort;

    async fn bind(&mut self, params: &UdpTransportFactoryParams) -> io::Result<(UdpSender, UdpPort)> {
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
        udp::report_destinations(&receiver)?;
        let port = sender.local_addr()?.port();
        let sources = Arc::clone(&self.sources);
        let sender = UdpSender { socket: sender, port, sources, routes: Arc::default() };
        let sources = Arc::clone(&self.sources);
        let receiver = UdpPort { socket: receiver, sources, trouble: self.trouble.clone(), waiting: VecDeque::new() };
        Ok((sender, receiver))
    }
}

/// The TUN interface, as gotatun's traits require it.
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
                // EIO while the interface is down: the packet is lost, but the device still works.
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket as StdSocket};

    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

    use super::*;
    use crate::endpoint::Endpoint;

    /// Both sides of a socket that is bound to all addresses, and its port.
    async fn bound(to: Option<IpAddr>) -> (UdpSender, UdpPort, u16) {
        let mut sockets =
            UdpSockets { factory: UdpSocketFactory::default(), sources: Arc::default(), trouble: Trouble::default() };
        let params = UdpTransportFactoryParams { addr: to, port: 0, fwmark: None };
        let (sender, receiver) = sockets.bind(&params).await.unwrap();
        let port = sender.port;
        (sender, receiver, port)
    }

    fn peer(address: &str) -> StdSocket {
        let socket = StdSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Address that the next datagram comes from, and the datagram.
    fn received(peer: &StdSocket) -> (IpAddr, Vec<u8>) {
        let mut buffer = [0; 2000];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        (from.ip(), buffer[..length].to_vec())
    }

    fn packet(octets: &[u8]) -> Packet {
        Packet::from_bytes(octets.into())
    }

    #[tokio::test]
    async fn answers_leave_from_the_address_that_was_written_to_one_by_one_and_in_batches() {
        let pool = &mut PacketBufPool::new(10);
        for all in [None, Some(Ipv4Addr::UNSPECIFIED.into())] {
            let (sender, mut receiver, port) = bound(all).await;
            let peers: Vec<(StdSocket, IpAddr)> =
                (1..=3).map(|host| (peer("127.0.0.1"), Ipv4Addr::new(127, 0, 0, host).into())).collect();
            let mut learned = Vec::new();
            for (peer, address) in &peers {
                peer.send_to(b"hello", (*address, port)).unwrap();
                let (_, packed) = receiver.recv_from(pool).await.unwrap();
                assert_eq!(remote_of(packed), peer.local_addr().unwrap());
                sender.send_to(packet(b"one"), packed).await.unwrap();
                assert_eq!(received(peer), (*address, b"one".to_vec()));
                learned.push(packed);
            }
            let mut batch: Vec<_> =
                (0..90).map(|number| (packet(&[number]), learned[usize::from(number / 2 % 3)])).collect();
            sender.send_many_to(&mut (), &mut batch).await.unwrap();
            assert!(batch.is_empty());
            for number in 0..90 {
                let (peer, address) = &peers[usize::from(number / 2 % 3)];
                assert_eq!(received(peer), (*address, vec![number]), "all, and in order");
            }
            // Nothing is known of who has not written.
            let cleared = pack_without_source(learned[1]);
            sender.send_to(packet(b"two"), cleared).await.unwrap();
            assert_eq!(received(&peers[1].0).0, Ipv4Addr::LOCALHOST);
        }
    }

    #[tokio::test]
    async fn an_address_that_the_kernel_refuses_is_given_up_and_nothing_is_lost() {
        let (sender, ..) = bound(None).await;
        for (address, elsewhere) in [("127.0.0.1", "203.0.113.9"), ("::1", "2001:db8::9")] {
            let peer = peer(address);
            // The kernel was asked while the address was still this machine's.
            let source = Source { address: elsewhere.parse().unwrap(), interface: 1 };
            let endpoint = Endpoint::new(peer.local_addr().unwrap(), Some(source));
            let packed = sender.sources.pack(&endpoint);
            assert_eq!(sender.routes.usable_source(packed, &endpoint, Instant::now(), |_, _| Ok(1)), Some(source));
            let mut batch: Vec<_> = (0..3).map(|number| (packet(&[number]), packed)).collect();
            sender.send_many_to(&mut (), &mut batch).await.unwrap();
            for number in 0..3 {
                assert_eq!(received(&peer), (address.parse().unwrap(), vec![number]));
            }
            assert_eq!(sender.source(packed), None);
        }
    }

    #[tokio::test]
    async fn what_the_kernel_has_joined_comes_one_by_one_with_its_addresses() {
        let pool = &mut PacketBufPool::new(100);
        let (sender, mut receiver, port) = bound(None).await;
        for (from, to) in [("127.0.0.1", "127.0.0.2"), ("::1", "::1")] {
            let peer = peer(from);
            let octets: Vec<u8> = (0..3500).map(|place| (place / 1000) as u8).collect();
            let target = SockaddrStorage::from(SocketAddr::new(to.parse().unwrap(), port));
            let segments = [ControlMessage::UdpGsoSegments(&1000)];
            let slices = [io::IoSlice::new(&octets)];
            sendmsg(std::os::fd::AsRawFd::as_raw_fd(&peer), &slices, &segments, MsgFlags::empty(), Some(&target))
                .unwrap();
            let mut packets = Vec::new();
            receiver.recv_many_from(&mut udp::Buffers::default(), pool, &mut packets).await.unwrap();
            let lengths: Vec<(usize, u8)> = packets.iter().map(|(packet, _)| (packet.len(), packet[0])).collect();
            assert_eq!(lengths, [(1000, 0), (1000, 1), (1000, 2), (500, 3)]);
            for (_, packed) in packets {
                let source = sender.sources.unpack(packed).source();
                assert_eq!(source, Some(Source { address: to.parse().unwrap(), interface: 1 }));
                assert_eq!(remote_of(packed), peer.local_addr().unwrap());
            }
        }
    }

    #[tokio::test]
    async fn datagrams_without_content_and_the_largest_ones_do_no_harm() {
        let pool = &mut PacketBufPool::new(10);
        let (_sender, mut receiver, port) = bound(None).await;
        let peer = peer("::1");
        let largest = vec![7; 65_507];
        for octets in [&[][..], &largest, b"after"] {
            peer.send_to(octets, (Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        let (packet, _) = receiver.recv_from(pool).await.unwrap();
        assert_eq!(packet[..], largest);
        let (packet, _) = receiver.recv_from(pool).await.unwrap();
        assert_eq!(packet[..], *b"after");
    }
}

//! A repeater in user space: what arrives at one of its ports leaves at all others, and OSPF packets are disturbed on the way. It takes
//! the place of the kernel's bridge where a segment is to be bad, because not every kernel has netem.
//!
//! Only IP protocol 89 is disturbed. ARP is not: a request that is lost holds back every packet to that neighbour for seconds and then
//! loses them together, so that neither the levels nor what follows from them would be what the test says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send, socket,
};

use super::super::netns::in_netns;
use super::disturbance::{Disturbance, Fates};

/// How long one wait lasts before it is looked whether to end.
const LOOK: Duration = Duration::from_millis(50);

/// Octets of the largest frame.
const BUFFER: usize = 1 << 16;

/// `PACKET_OUTGOING`: a frame that left by the interface, also this repeater's own.
const OUTGOING: u8 = 4;

/// How many OSPF packets, one for each receiver, it did what with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub packets: usize,
    pub lost: usize,
    pub duplicated: usize,
    pub delayed: usize,
}

/// Repeats until it is dropped.
pub struct Repeater {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    packets: AtomicUsize,
    lost: AtomicUsize,
    duplicated: AtomicUsize,
    delayed: AtomicUsize,
}

/// A copy under way: when it is due, its number, the port that it leaves by, the frame.
type Copy = Reverse<(Instant, u64, usize, Arc<[u8]>)>;

impl Repeater {
    /// Joins `interfaces` of namespace `netns`.
    pub fn start(netns: &str, interfaces: &[String], disturbance: Disturbance) -> Result<Self> {
        let open_all = || interfaces.iter().map(|name| open(name)).collect::<Result<Vec<_>>>();
        let ports = in_netns(netns, open_all).with_context(|| format!("joining {interfaces:?} of {netns}"))?;
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                Wire { ports, fates: Fates::new(disturbance), under_way: BinaryHeap::new(), copies: 0, shared }.run()
            }
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    pub fn tally(&self) -> Tally {
        let Shared { packets, lost, duplicated, delayed, .. } = &*self.shared;
        let [packets, lost, duplicated, delayed] =
            [packets, lost, duplicated, delayed].map(|count| count.load(Ordering::SeqCst));
        Tally { packets, lost, duplicated, delayed }
    }
}

impl Drop for Repeater {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Wire {
    ports: Vec<OwnedFd>,
    fates: Fates,
    under_way: BinaryHeap<Copy>,
    /// How many have been under way: those that are due at the same time leave in the order in which they came.
    copies: u64,
    shared: Arc<Shared>,
}

impl Wire {
    fn run(mut self) {
        let mut buffer = vec![0; BUFFER];
        while !self.shared.ended.load(Ordering::SeqCst) {
            for port in self.readable() {
                while let Some(length) = receive(&self.ports[port], &mut buffer) {
                    self.repeat(port, &buffer[..length]);
                }
            }
            self.deliver();
        }
    }

    /// Waits for frames; the ports that have some, or an error to fetch.
    fn readable(&self) -> Vec<usize> {
        let now = Instant::now();
        let next = self.under_way.peek().map_or(LOOK, |Reverse((due, ..))| due.saturating_duration_since(now));
        // Whole milliseconds, rounded up: no frame is early and none is waited for in a busy loop.
        let wait = PollTimeout::try_from(next.min(LOOK) + Duration::from_micros(999)).expect("shorter than a second");
        let mut fds: Vec<PollFd> = self.ports.iter().map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut fds, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let is_ready = |fd: &PollFd| fd.any().unwrap_or(false);
        fds.iter().enumerate().filter(|(_, fd)| is_ready(fd)).map(|(port, _)| port).collect()
    }

    fn repeat(&mut self, from: usize, frame: &[u8]) {
        let now = Instant::now();
        let frame: Arc<[u8]> = frame.into();
        for port in (0..self.ports.len()).filter(|port| *port != from) {
            let delays = if is_ospf(&frame) { self.fate() } else { vec![Duration::ZERO] };
            for delay in delays {
                self.copies += 1;
                self.under_way.push(Reverse((now + delay, self.copies, port, frame.clone())));
            }
        }
    }

    fn fate(&mut self) -> Vec<Duration> {
        let delays = self.fates.next();
        let count = |counter: &AtomicUsize, is_so: bool| counter.fetch_add(usize::from(is_so), Ordering::SeqCst);
        count(&self.shared.packets, true);
        count(&self.shared.lost, delays.is_empty());
        count(&self.shared.duplicated, delays.len() > 1);
        count(&self.shared.delayed, delays.iter().any(|delay| !delay.is_zero()));
        delays
    }

    /// Sends what is due. What a port without carrier does not take is lost.
    fn deliver(&mut self) {
        let now = Instant::now();
        while self.under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, port, frame))) = self.under_way.pop() else { break };
            match send(self.ports[port].as_raw_fd(), &frame, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENETDOWN | Errno::ENOBUFS | Errno::EAGAIN | Errno::ENXIO | Errno::EINTR) => {}
                Err(error) => panic!("sending a frame: {error}"),
            }
        }
    }
}

/// A packet socket bound to the interface `name` of this thread's namespace.
fn open(name: &str) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let port = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    let mut own = getifaddrs()?.filter(|entry| entry.interface_name == name);
    // It has no protocol, which leaves that of the socket.
    let address = own.find_map(|entry| entry.address?.as_link_addr().copied());
    bind(port.as_raw_fd(), &address.with_context(|| format!("there is no {name}"))?)?;
    Ok(port)
}

/// Reads the next frame that has come in at `port`; its length.
fn receive(port: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match recvfrom::<LinkAddr>(port.as_raw_fd(), buffer) {
            Ok((_, Some(from))) if from.pkttype() == OUTGOING => {}
            Ok((length, _)) => return Some(length),
            // The interface is down: the socket goes on when it is up.
            Err(Errno::ENETDOWN | Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return None,
            Err(error) => panic!("receiving a frame: {error}"),
        }
    }
}

/// Whether the frame carries IPv4 with protocol 89.
fn is_ospf(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&89)
}

//! A steady stream of echo requests whose losses are counted: 100 a second where nothing else is asked for, each at its time. (`ping -i 0.01` sends 60 a
//! second where the kernel's tick is 4 ms.)

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use super::netns::in_netns;

/// Between two requests, where nothing else is asked for.
pub const INTERVAL: Duration = Duration::from_millis(10);

/// A stream that is counted has this many requests at least: from fewer, nothing follows. What a test does meanwhile may take less time.
const ENOUGH: u16 = 100;

/// How long a reply may take after the last request.
const LATE: Duration = Duration::from_secs(1);

/// How often the receiver looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// A stream under way.
pub struct Stream {
    shared: Arc<Shared>,
    interval: Duration,
    sender: Option<JoinHandle<()>>,
    receiver: Option<JoinHandle<()>>,
}

/// What came of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Requests sent.
    pub sent: u16,
    /// Requests that were answered.
    pub received: u16,
}

impl Count {
    /// Requests without a reply.
    pub fn lost(&self) -> u16 {
        self.sent - self.received
    }
}

/// Between the two threads and whoever watches; each field has one writer.
#[derive(Default)]
struct Shared {
    /// The stream is to be counted: no more requests than [`ENOUGH`] are sent.
    finish: AtomicBool,
    /// No request follows.
    end: AtomicBool,
    /// Requests sent; the next one's sequence number.
    sent: AtomicU16,
    /// Sequence numbers answered. Behind a lock because watchers read the whole set.
    answered: Mutex<BTreeSet<u16>>,
}

impl Shared {
    fn answered(&self) -> BTreeSet<u16> {
        self.answered.lock().expect("the receiver does not panic").clone()
    }
}

impl Stream {
    /// Starts a stream from namespace `netns` to the address `to`.
    pub fn start(netns: &str, to: Ipv4Addr) -> Result<Self> {
        Self::start_every(INTERVAL, netns, to)
    }

    /// [`Self::start`], with this time between two requests.
    pub fn start_every(interval: Duration, netns: &str, to: Ipv4Addr) -> Result<Self> {
        let socket = socket_in(netns)?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.connect(&SocketAddrV4::new(to, 0).into()).with_context(|| format!("no way from {netns} to {to}"))?;
        // Tells this stream's replies from another's.
        let id = u16::try_from(std::process::id() & 0xffff)?;
        let shared = Arc::new(Shared::default());
        let (sending, send_shared) = (socket.try_clone()?, Arc::clone(&shared));
        let sender = thread::spawn(move || send(&sending, id, interval, &send_shared));
        let receive_shared = Arc::clone(&shared);
        let receiver = thread::spawn(move || receive(socket, id, &receive_shared));
        Ok(Self { shared, interval, sender: Some(sender), receiver: Some(receiver) })
    }

    /// Between two requests.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Requests sent so far.
    pub fn sent(&self) -> u16 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Number of requests answered so far, of those from number `from` on.
    pub fn answered_since(&self, from: u16) -> usize {
        self.shared.answered().range(from..).count()
    }

    /// Ends the stream when it has [`ENOUGH`] requests, waits for late replies, and counts.
    pub fn finish(mut self) -> Result<Count> {
        self.shared.finish.store(true, Ordering::Release);
        join(&mut self.sender)?;
        self.shared.end.store(true, Ordering::Release);
        join(&mut self.receiver)?;
        let received = u16::try_from(self.shared.answered().len())?;
        let count = Count { sent: self.sent(), received };
        ensure!(count.received <= count.sent, "more replies than requests: {count:?}");
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        join(&mut self.sender).ok();
        join(&mut self.receiver).ok();
    }
}

fn join(thread: &mut Option<JoinHandle<()>>) -> Result<()> {
    thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("a thread of the ping stream panicked")))
}

/// A raw ICMP socket in namespace `netns`, usable from everywhere.
fn socket_in(netns: &str) -> Result<Socket> {
    in_netns(netns, || {
        Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).context("making a raw socket: it needs root")
    })
}

fn send(socket: &Socket, id: u16, interval: Duration, shared: &Shared) {
    let start = Instant::now();
    for number in 0..u16::MAX {
        let is_enough = number >= ENOUGH && shared.finish.load(Ordering::Acquire);
        if is_enough || shared.end.load(Ordering::Acquire) {
            break;
        }
        // A request that the kernel refuses, for want of a route, is one that is not answered.
        socket.send(&echo_request(id, number)).ok();
        shared.sent.store(number + 1, Ordering::Release);
        let next = start + interval * (u32::from(number) + 1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn receive(mut socket: Socket, id: u16, shared: &Shared) {
    let mut packet = [0; 128];
    let mut ended = None;
    loop {
        // An error: the time to look is over, or an ICMP error has come for an earlier request.
        let length = socket.read(&mut packet).unwrap_or(0);
        if let Some(number) = reply_number(&packet[..length], id) {
            shared.answered.lock().expect("no holder panics").insert(number);
        }
        if shared.end.load(Ordering::Acquire) {
            let since: &Instant = ended.get_or_insert_with(Instant::now);
            let all = shared.answered().len() == usize::from(shared.sent.load(Ordering::Acquire));
            if all || since.elapsed() > LATE {
                return;
            }
        }
    }
}

/// RFC 792: type, code, checksum, identifier, sequence number, no data.
fn echo_request(id: u16, number: u16) -> [u8; 8] {
    let mut packet = [ECHO_REQUEST, 0, 0, 0, 0, 0, 0, 0];
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[6..].copy_from_slice(&number.to_be_bytes());
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

/// The sequence number of an echo reply with our identifier; `packet` begins with its IP header.
fn reply_number(packet: &[u8], id: u16) -> Option<u16> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let [kind, _, _, _, id_high, id_low, high, low, ..] = *packet.get(header..)? else { return None };
    (kind == ECHO_REPLY && u16::from_be_bytes([id_high, id_low]) == id).then(|| u16::from_be_bytes([high, low]))
}

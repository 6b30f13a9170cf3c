//! ICMP echo from a namespace of the lab: a steady stream whose losses are counted, and a trace of a path.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pnet::packet::Packet;
use pnet::packet::icmp::echo_reply::EchoReplyPacket;
use pnet::packet::icmp::echo_request::{EchoRequestPacket, MutableEchoRequestPacket};
use pnet::packet::icmp::{IcmpPacket, IcmpTypes, checksum};
use pnet::packet::ipv4::Ipv4Packet;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::netns::Namespace;

/// Bytes of an echo request: the header and as much payload as `ping` sends.
const REQUEST_LEN: usize = 64;
/// Bytes of the header of echo and error messages (RFC 792).
const ICMP_HEADER_LEN: usize = 8;
/// Bytes of the receive buffer: answers to the requests are shorter.
const PACKET_MAX: usize = 2048;
/// A stream ends after this number of requests, when sequence numbers would repeat.
pub const PROBES_MAX: usize = u16::MAX as usize;

/// When each request was sent and answered.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The requests, by sequence number.
    pub probes: Vec<Probe>,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// When it was sent.
    pub sent: Instant,
    /// When the first answer arrived.
    pub answered: Option<Instant>,
}

impl Probe {
    /// Round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        self.answered.map(|answered| answered - self.sent)
    }
}

impl Log {
    /// How many of the requests sent in `from..to` were never answered.
    pub fn lost(&self, from: Instant, to: Instant) -> usize {
        self.between(from, to).filter(|probe| probe.answered.is_none()).count()
    }

    /// How many requests were sent in `from..to`.
    pub fn sent(&self, from: Instant, to: Instant) -> usize {
        self.between(from, to).count()
    }

    /// The longest time without an answer, among the answers that arrived in `from..to`.
    pub fn outage(&self, from: Instant, to: Instant) -> Duration {
        let mut answers: Vec<Instant> = self.probes.iter().filter_map(|probe| probe.answered).collect();
        answers.sort_unstable();
        let gaps = answers.windows(2).filter(|pair| pair[1] >= from && pair[0] < to).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    /// The latest request that was answered.
    pub fn last_answered(&self) -> Option<&Probe> {
        self.probes.iter().rev().find(|probe| probe.answered.is_some())
    }

    fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(move |probe| probe.sent >= from && probe.sent < to)
    }
}

/// A running stream of requests. It ends when dropped.
#[derive(Debug)]
pub struct Stream {
    // Shared with the sending thread, which locks it only to record one probe; readers copy it.
    log: Arc<Mutex<Log>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Sends a request to `target` every `interval`, from inside `namespace`.
    pub fn start(namespace: &Namespace, target: Ipv4Addr, interval: Duration) -> Result<Self> {
        let prober = Prober::open(namespace, target)?;
        let (log, stop) = (Arc::new(Mutex::new(Log::default())), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
            move || send_and_listen(&prober, interval, &log, &stop)
        });
        Ok(Self { log, stop, thread: Some(thread) })
    }

    /// A copy of what has happened so far.
    pub fn log(&self) -> Log {
        locked(&self.log).clone()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

fn send_and_listen(prober: &Prober, interval: Duration, log: &Mutex<Log>, stop: &AtomicBool) {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let mut sequence = None;
        if now >= next {
            next = now + interval;
            let mut log = locked(log);
            if log.probes.len() < PROBES_MAX {
                sequence = u16::try_from(log.probes.len()).ok();
                log.probes.push(Probe { sent: now, answered: None });
            }
        }
        if let Some(sequence) = sequence {
            // Without a route there is no answer either, so the request counts as lost.
            let _ = prober.send(sequence);
        }
        let wait = next.saturating_duration_since(Instant::now());
        if let Ok(Some(Answer::Reply { sequence, .. })) = prober.receive(wait.max(Duration::from_millis(1)))
            && let Some(probe) = locked(log).probes.get_mut(usize::from(sequence))
        {
            probe.answered.get_or_insert_with(Instant::now);
        }
    }
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The routers on the path to `target`, as far as they answer; the last is `target` if it was reached.
pub fn trace(
    namespace: &Namespace,
    target: Ipv4Addr,
    hops_max: u8,
    patience: Duration,
) -> Result<Vec<Option<Ipv4Addr>>> {
    let prober = Prober::open(namespace, target)?;
    let mut hops = Vec::new();
    for hop in 1..=hops_max {
        prober.socket.set_ttl_v4(hop.into()).context("setting the time to live")?;
        let deadline = Instant::now() + patience;
        prober.send(hop.into()).context("sending an echo request")?;
        let answer = loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break None;
            }
            match prober.receive(rest)? {
                Some(answer) if answer.sequence() == u16::from(hop) => break Some(answer),
                _ => {}
            }
        };
        hops.push(answer.map(|answer| answer.from()));
        if matches!(answer, Some(Answer::Reply { .. })) {
            break;
        }
    }
    Ok(hops)
}

/// A raw ICMP socket in a namespace, for one target.
#[derive(Debug)]
struct Prober {
    socket: Socket,
    target: Ipv4Addr,
    identifier: u16,
}

/// An answer to a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Reply { from: Ipv4Addr, sequence: u16 },
    Expired { from: Ipv4Addr, sequence: u16 },
}

impl Answer {
    fn from(self) -> Ipv4Addr {
        match self {
            Self::Reply { from, .. } | Self::Expired { from, .. } => from,
        }
    }

    fn sequence(self) -> u16 {
        match self {
            Self::Reply { sequence, .. } | Self::Expired { sequence, .. } => sequence,
        }
    }
}

impl Prober {
    fn open(namespace: &Namespace, target: Ipv4Addr) -> Result<Self> {
        let socket = namespace.within(|| Ok(Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?));
        let socket = socket.with_context(|| format!("opening an ICMP socket in {}", namespace.name()))?;
        // Every raw socket of the namespace receives every answer, so identifiers must differ, also between processes.
        static OPENED: AtomicU16 = AtomicU16::new(0);
        let process = std::process::id().to_be_bytes();
        let identifier = u16::from_be_bytes([process[3], process[2]]) ^ OPENED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { socket, target, identifier })
    }

    fn send(&self, sequence: u16) -> io::Result<()> {
        let mut buffer = [0; REQUEST_LEN];
        let mut request = MutableEchoRequestPacket::new(&mut buffer).expect("the buffer is longer than a header");
        request.set_icmp_type(IcmpTypes::EchoRequest);
        request.set_identifier(self.identifier);
        request.set_sequence_number(sequence);
        let sum = checksum(&IcmpPacket::new(request.packet()).expect("the buffer is longer than a header"));
        request.set_checksum(sum);
        self.socket.send_to(&buffer, &SockAddr::from(SocketAddrV4::new(self.target, 0))).map(drop)
    }

    /// Receives the next answer to one of our requests; `None` if none arrives within `wait`.
    fn receive(&self, wait: Duration) -> io::Result<Option<Answer>> {
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = [0; PACKET_MAX];
        match (&self.socket).read(&mut buffer) {
            Ok(length) => Ok(self.recognise(&buffer[..length])),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the answer, if an IPv4 packet answers one of our requests.
    fn recognise(&self, bytes: &[u8]) -> Option<Answer> {
        let packet = Ipv4Packet::new(bytes)?;
        let from = packet.get_source();
        let message = IcmpPacket::new(packet.payload())?;
        match message.get_icmp_type() {
            IcmpTypes::EchoReply => {
                let reply = EchoReplyPacket::new(packet.payload())?;
                let ours = reply.get_identifier() == self.identifier && from == self.target;
                ours.then(|| Answer::Reply { from, sequence: reply.get_sequence_number() })
            }
            // RFC 792: after eight bytes follows the expired packet, with at least eight bytes beyond its header.
            IcmpTypes::TimeExceeded => {
                let expired = Ipv4Packet::new(packet.payload().get(ICMP_HEADER_LEN..)?)?;
                let request = EchoRequestPacket::new(expired.payload())?;
                let ours = request.get_identifier() == self.identifier && expired.get_destination() == self.target;
                ours.then(|| Answer::Expired { from, sequence: request.get_sequence_number() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(answered: &[Option<u64>]) -> (Instant, Log) {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let probes = (0..).zip(answered).map(|(n, answer)| Probe { sent: at(n * 50), answered: answer.map(at) });
        (start, Log { probes: probes.collect() })
    }

    #[test]
    fn losses_are_counted_by_when_the_request_was_sent() {
        let (start, log) = log(&[Some(1), None, None, Some(151)]);
        assert_eq!(log.lost(start, start + Duration::from_millis(100)), 1);
        assert_eq!(log.lost(start, start + Duration::from_secs(1)), 2);
        assert_eq!(log.sent(start, start + Duration::from_secs(1)), 4);
    }

    #[test]
    fn an_outage_lasts_from_the_last_answer_before_it_to_the_first_after_it() {
        let (start, log) = log(&[Some(1), Some(51), None, None, Some(201), Some(251)]);
        let within = |from, to| log.outage(start + Duration::from_millis(from), start + Duration::from_millis(to));
        assert_eq!(within(100, 300), Duration::from_millis(150));
        assert_eq!(within(210, 300), Duration::from_millis(50));
    }
}

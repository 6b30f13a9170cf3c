//! The time from when a host is said to be elsewhere until frames to it arrive there.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::harness::netns::in_netns;
use crate::harness::wait::eventually;
use crate::switch::Host;

/// Between two datagrams to the host.
const INTERVAL: Duration = Duration::from_millis(1);
/// So many have to arrive at the old site before, so that all caches are warm.
const STEADY: u64 = 200;
/// How long anything may take. EVPN's timers that matter here are shorter.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a socket looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// RFC 863.
const DISCARD: u16 = 9;

/// A host at both sites at once, as it were, and another that has something to say to it.
pub struct Move<'a> {
    pub sender: &'a Host,
    /// The host where it was.
    pub old: &'a Host,
    /// The same one, at the new site already, and silent.
    pub new: &'a Host,
}

impl Move<'_> {
    /// Sends to the host all the time, calls `trigger`, and returns the time from then to the first datagram at the new site.
    pub fn time(&self, trigger: impl FnOnce() -> Result<()>) -> Result<Duration> {
        self.sender.knows(self.old.address)?;
        for host in [self.old, self.new] {
            host.hush()?;
        }
        // Who listens does not answer that nobody does.
        let (old, new) = (listener(self.old)?, listener(self.new)?);
        let sender = in_netns(&self.sender.netns, || Ok(UdpSocket::bind(("0.0.0.0", 0))?))?;
        sender.connect((self.old.address.ip, DISCARD))?;
        let end = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| send(&sender, &end));
            let measured = || -> Result<Duration> {
                let mut arrived = 0;
                eventually("datagrams at the old site", PATIENCE, || {
                    arrived += u64::from(receive(&old).is_some());
                    while arrived < STEADY && receive(&old).is_some() {
                        arrived += 1;
                    }
                    Ok((arrived >= STEADY).then_some(()))
                })?;
                new.set_nonblocking(true)?;
                ensure!(receive(&new).is_none(), "datagrams were at the new site before the host was");
                new.set_nonblocking(false)?;
                let first = scope.spawn(|| first(&new));
                let began = Instant::now();
                trigger()?;
                let arrived = first.join().map_err(|_| anyhow!("the receiver panicked"))??;
                arrived.checked_duration_since(began).context("a datagram was at the new site before the host was")
            };
            let measured = measured();
            end.store(true, Ordering::Release);
            measured
        })
    }
}

fn listener(host: &Host) -> Result<UdpSocket> {
    let socket = in_netns(&host.netns, || Ok(UdpSocket::bind(("0.0.0.0", DISCARD))?))?;
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

fn receive(socket: &UdpSocket) -> Option<Instant> {
    socket.recv(&mut [0; 64]).ok().map(|_| Instant::now())
}

fn first(socket: &UdpSocket) -> Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(arrived) = receive(socket) {
            return Ok(arrived);
        }
    }
    bail!("nothing has come to the new site within {PATIENCE:?}")
}

fn send(socket: &UdpSocket, end: &AtomicBool) {
    let began = Instant::now();
    for number in 1_u32.. {
        if end.load(Ordering::Acquire) {
            return;
        }
        // What the kernel refuses is lost, like what gets lost elsewhere.
        socket.send(&[0; 32]).ok();
        // Late after a long sleep, it makes up for it.
        thread::sleep((began + INTERVAL * number).saturating_duration_since(Instant::now()));
    }
}

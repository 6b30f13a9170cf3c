//! Numbered datagrams from one host to another, 500 a second, and when they arrive.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::harness::netns::in_netns;

/// The time between two datagrams.
pub const INTERVAL: Duration = Duration::from_millis(2);

const PORT: u16 = 7000;

/// How often the receiver looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// A flow under way; it ends when this is dropped.
pub struct Flow {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    /// The number of each datagram that has arrived, and when.
    arrived: Mutex<Vec<(u64, Instant)>>,
}

/// The longest time in which nothing arrived.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// From one arrival to the next.
    pub time: Duration,
    /// Datagrams that did not arrive at all, in the whole time that was examined.
    pub lost: u64,
}

impl Flow {
    /// Starts a flow from the host in one namespace to that in another, which has the address `to`.
    pub fn start(from: &str, receiver: &str, to: Ipv4Addr) -> Result<Self> {
        let socket = in_netns(receiver, || UdpSocket::bind((to, PORT)).context("a socket for datagrams"))?;
        socket.set_read_timeout(Some(LOOK))?;
        let sender = in_netns(from, || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((to, PORT)).context("a socket for datagrams")?;
            Ok(socket)
        })?;
        let shared = Arc::<Shared>::default();
        let (receiving, sending) = (shared.clone(), shared.clone());
        let threads =
            vec![thread::spawn(move || receiving.receive(&socket)), thread::spawn(move || sending.send(&sender))];
        Ok(Self { shared, threads })
    }

    /// How many datagrams have arrived.
    pub fn arrived(&self) -> usize {
        self.shared.arrived().len()
    }

    /// The longest gap among the datagrams that arrived after the first `from` of them.
    pub fn gap(&self, from: usize) -> Result<Gap> {
        let arrived = self.shared.arrived();
        let since = arrived.get(from.saturating_sub(1)..).unwrap_or_default();
        let gaps = since.windows(2).map(|pair| pair[1].1.duration_since(pair[0].1));
        let time = gaps.max().ok_or_else(|| anyhow!("nothing arrives"))?;
        let (first, last) = (since.first().map_or(0, |first| first.0), since.last().map_or(0, |last| last.0));
        Ok(Gap { time, lost: (last - first + 1).saturating_sub(since.len() as u64) })
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Nothing is measured any more.
            let _: thread::Result<()> = thread.join();
        }
    }
}

impl Shared {
    fn arrived(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Instant)>> {
        self.arrived.lock().expect("the receiver does not panic")
    }

    fn receive(&self, socket: &UdpSocket) {
        let mut octets = [0; 64];
        while !self.end.load(Ordering::Relaxed) {
            let Ok(length) = socket.recv(&mut octets) else { continue };
            let at = Instant::now();
            if let Some(number) = octets[..length].first_chunk() {
                self.arrived().push((u64::from_be_bytes(*number), at));
            }
        }
    }

    fn send(&self, socket: &UdpSocket) {
        let mut due = Instant::now();
        let mut number: u64 = 0;
        while !self.end.load(Ordering::Relaxed) {
            // Without a route the kernel refuses it; it is lost like any other.
            let _: std::io::Result<usize> = socket.send(&number.to_be_bytes());
            number += 1;
            due += INTERVAL;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}

//! Counting packets on an interface with a packet socket: what a capture does, without programs that a virtual machine would need.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pnet::datalink::{self, Channel, Config, DataLinkReceiver};

use super::netns::in_netns;

/// How long one read waits before it looks whether to end.
const READ: Duration = Duration::from_millis(20);

/// Octets of the largest packet.
const BUFFER: usize = 1 << 16;

/// A counter that goes on until it is dropped.
pub struct Sniffer {
    counted: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sniffer {
    /// Counts the packets on `interface` of namespace `netns` that `wanted` selects, in both directions.
    pub fn start(netns: &str, interface: &str, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<Self> {
        let receiver =
            in_netns(netns, || open(interface)).with_context(|| format!("listening on {interface} of {netns}"))?;
        let (counted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (counted, ended) = (counted.clone(), ended.clone());
            move || read(receiver, &wanted, &counted, &ended)
        });
        Ok(Self { counted, ended, thread: Some(thread) })
    }

    /// How many there were so far.
    pub fn count(&self) -> usize {
        self.counted.load(Ordering::SeqCst)
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}

fn open(name: &str) -> Result<Box<dyn DataLinkReceiver>> {
    let interfaces = datalink::interfaces();
    let interface = interfaces.iter().find(|interface| interface.name == name).context("there is no such interface")?;
    let config = Config { read_timeout: Some(READ), read_buffer_size: BUFFER, promiscuous: false, ..Config::default() };
    match datalink::channel(interface, config)? {
        Channel::Ethernet(_, receiver) => Ok(receiver),
        _ => bail!("no packet socket"),
    }
}

fn read(
    mut receiver: Box<dyn DataLinkReceiver>,
    wanted: &impl Fn(&[u8]) -> bool,
    counted: &AtomicUsize,
    ended: &AtomicBool,
) {
    while !ended.load(Ordering::SeqCst) {
        match receiver.next() {
            Ok(packet) => {
                counted.fetch_add(usize::from(wanted(packet)), Ordering::SeqCst);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {}
            // The interface is gone.
            Err(_) => return,
        }
    }
}

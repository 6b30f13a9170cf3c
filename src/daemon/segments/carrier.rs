//! Carries hosts' announcements of their addresses to the other sites of a segment.
//!
//! If a bridge answers address resolution from the table, it does not forward announcements to the VXLAN device, and hosts at other sites
//! would go on sending to the host that had the address before: VRRP and any other failover by gratuitous ARP would not work across sites.
//! Announcements are therefore received on the ports and sent to the VXLAN ports of the other sites, unless the table contradicts them, at
//! a limited rate.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use vxlan::segment::{Flooding, Resolution};
use vxlan::{Announcement, Contradiction, PORT, Vni, encapsulate};

use crate::kernel::AnnouncementListener;
use crate::mesh::L2;
use crate::net::IfName;
use crate::reconcile::overlay::Tagging;

/// Rate limit: the time for one announcement, and the largest burst. A router that takes over some hundred addresses announces each of them
/// a few times.
const INTERVAL: Duration = Duration::from_millis(10);
const BURST: u32 = 500;

/// How long an announcement that the table contradicts is reported, and the maximum number of such reports.
const REPORTED: Duration = Duration::from_secs(300);
const MOST_REPORTED: usize = 16;

/// How announcements of one port are carried.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The port's index.
    pub index: u32,
    /// Decides which of the port's frames belong to the segment.
    pub tagging: Tagging,
    /// The segment.
    pub l2: Arc<L2>,
    /// The VTEP of this site, and the VTEPs of the reachable sites.
    pub from: Ipv4Addr,
    pub to: BTreeSet<Ipv4Addr>,
}

/// A port of a segment: two segments that are VLANs of one bridge may have the same interface.
pub(super) type SegmentPort = (Vni, IfName);

/// Carries announcements from all ports.
#[derive(Debug, Default)]
pub(super) struct Carrier {
    ports: BTreeMap<SegmentPort, Carrying>,
    contradicted: Arc<Mutex<BTreeMap<(SegmentPort, Announcement), SystemTime>>>,
}

#[derive(Debug)]
struct Carrying {
    job: watch::Sender<Job>,
    task: JoinHandle<()>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Job {
    /// Whether announcements of this segment have to be carried.
    pub(super) fn is_needed(l2: &L2) -> bool {
        let floods =
            [l2.segment.broadcast, l2.segment.multicast].into_iter().any(|flooding| flooding != Flooding::Drop);
        l2.segment.resolution != Resolution::Flood && floods
    }

    /// Whether an announcement of this kind may leave the site.
    fn carries(&self, announcement: &Announcement) -> bool {
        let flooding = match announcement.address {
            IpAddr::V4(_) => self.l2.segment.broadcast,
            IpAddr::V6(_) => self.l2.segment.multicast,
        };
        flooding != Flooding::Drop
    }
}

impl Carrier {
    /// Carries out these jobs from now on, and no others. If listening on a port failed, it is tried again.
    pub(super) fn set(&mut self, jobs: BTreeMap<SegmentPort, Job>) {
        self.ports.retain(|port, _| jobs.contains_key(port));
        for (port, job) in jobs {
            let present = self.ports.get(&port);
            let goes_on = present.filter(|carrying| {
                let before = carrying.job.borrow();
                (before.index, before.tagging, before.from) == (job.index, job.tagging, job.from)
                    && !carrying.task.is_finished()
            });
            if let Some(carrying) = goes_on {
                carrying.job.send_replace(job);
            } else {
                let failure = present.map(|carrying| Arc::clone(&carrying.failure)).unwrap_or_default();
                self.ports.insert(port.clone(), self.begin(port, job, failure));
            }
        }
    }

    /// Starts to carry announcements from a port. `failure` is that of the last attempt; it is kept until this one succeeds.
    fn begin(&self, port: SegmentPort, job: Job, failure: Arc<Mutex<Option<io::Error>>>) -> Carrying {
        let (job, orders) = watch::channel(job);
        let (failed, contradicted) = (Arc::clone(&failure), Arc::clone(&self.contradicted));
        let task = tokio::spawn(async move {
            let note = |announcement| note(&contradicted, (port.clone(), announcement));
            let error = match Way::open(&orders) {
                Ok(way) => {
                    *lock(&failed) = None;
                    carry(way, orders, note).await
                }
                Err(error) => error,
            };
            debug!(iface = %port.1, %error, "announcements on a port are not carried to other sites");
            *lock(&failed) = Some(error);
        });
        Carrying { job, task, failure }
    }

    /// Problems that an operator should look at.
    pub(super) fn problems(&self, now: SystemTime) -> Vec<String> {
        let failures = self.ports.iter().filter_map(|((_, port), carrying)| {
            let failure = lock(&carrying.failure);
            let (error, segment) = (failure.as_ref()?, &carrying.job.borrow().l2.name);
            Some(format!(
                "{segment}: what hosts on port {port} announce of their addresses is not carried to other sites: {}",
                explain(error)
            ))
        });
        let mut problems: Vec<String> = failures.collect();
        let mut contradicted = lock(&self.contradicted);
        contradicted.retain(|_, when| now.duration_since(*when).is_ok_and(|age| age < REPORTED));
        problems.extend(contradicted.keys().filter_map(|(port, announcement)| {
            let l2 = Arc::clone(&self.ports.get(port)?.job.borrow().l2);
            let owner = match l2.segment.contradiction(announcement)? {
                Contradiction::Gateway => "which is this segment's gateway".to_owned(),
                Contradiction::Host(host) => {
                    format!("which the mesh file has for {}", l2.host_names.get(&host).unwrap_or(&host.to_string()))
                }
            };
            let (Announcement { mac, address }, (_, port)) = (announcement, port);
            Some(format!(
                "{}: {mac} on port {port} announces {address}, {owner}: it is not carried to other sites; give one of the two another address, or \
                 correct the mesh file",
                l2.name
            ))
        }));
        problems
    }
}

/// Describes the cause of a packet socket's error, if it is known; otherwise the error itself.
pub(super) fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => {
            "packet sockets are not allowed: add AF_PACKET to RestrictAddressFamilies of the unit".to_owned()
        }
        Some(libc::EPERM) => "weft lacks the capability CAP_NET_RAW".to_owned(),
        _ => error.to_string(),
    }
}

/// The sockets that carry announcements from a port to other sites.
struct Way {
    listener: AnnouncementListener,
    socket: UdpSocket,
}

impl Way {
    fn open(orders: &watch::Receiver<Job>) -> io::Result<Self> {
        let job = orders.borrow();
        Ok(Self { listener: AnnouncementListener::open(job.index, job.tagging)?, socket: vtep_socket(job.from)? })
    }
}

/// Carries announcements until listening on the port fails, and returns the error.
async fn carry(way: Way, orders: watch::Receiver<Job>, contradicted: impl Fn(Announcement)) -> io::Error {
    let mut pace = Pace::default();
    loop {
        let frame = match way.listener.next().await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        let job = orders.borrow().clone();
        let Some(announcement) = Announcement::parse(&frame).filter(|announcement| job.carries(announcement)) else {
            continue;
        };
        if job.l2.segment.contradiction(&announcement).is_some() {
            contradicted(announcement);
            continue;
        }
        // Frames that arrive faster wait in the socket's buffer, and are lost if it is full.
        tokio::time::sleep(pace.delay(Instant::now())).await;
        debug!(segment = job.l2.name, mac = %announcement.mac, address = %announcement.address, "announcement carried");
        let packet = encapsulate(job.l2.segment.vni, &frame);
        for peer in &job.to {
            if let Err(error) = way.socket.send_to(&packet, (*peer, PORT)).await {
                debug!(segment = job.l2.name, %peer, %error, "announcement not carried to a site");
            }
        }
    }
}

/// A UDP socket that sends from a VTEP's address, which may not be assigned yet.
fn vtep_socket(from: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_freebind_v4(true)?;
    socket.bind(&std::net::SocketAddr::from((from, 0)).into())?;
    UdpSocket::from_std(socket.into())
}

/// Records an announcement that the table contradicts, and logs it if it is not recorded already.
fn note(
    contradicted: &Mutex<BTreeMap<(SegmentPort, Announcement), SystemTime>>,
    (port, announcement): (SegmentPort, Announcement),
) {
    let mut contradicted = lock(contradicted);
    let key = (port, announcement);
    if !contradicted.contains_key(&key) {
        if contradicted.len() >= MOST_REPORTED {
            return;
        }
        let (iface, Announcement { mac, address }) = (&key.0.1, announcement);
        warn!(%iface, %mac, %address, "a host announces an address that is not its own; see `weft status`");
    }
    contradicted.insert(key, SystemTime::now());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rate limit of one announcement per [`INTERVAL`], with bursts of [`BURST`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time at which the next announcement would be due at an even rate.
    due: Option<Instant>,
}

impl Pace {
    /// Returns how long the next announcement has to wait, and counts it.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + INTERVAL);
        due.saturating_duration_since(now).saturating_sub(INTERVAL * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_what_follows_at_an_even_pace() {
        let mut pace = Pace::default();
        let now = Instant::now();
        let waits: Vec<Duration> = (0..BURST + 3).map(|_| pace.delay(now)).collect();
        assert!(waits[..=BURST as usize].iter().all(Duration::is_zero));
        assert_eq!(waits[BURST as usize + 1..], [INTERVAL, 2 * INTERVAL]);
        assert_eq!(pace.delay(now + Duration::from_secs(60)), Duration::ZERO);
    }
}

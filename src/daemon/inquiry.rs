//! Reads what the answer to a question needs from elsewhere, beside the loop, which waits for none of it: the engine's view, the WireGuard
//! devices, listings of nftables. The loop then makes the answer from this and from what it knows itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use ospf::{AreaId, Domain, LsaPlace, NeighborState};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::report::AreaSummary;
use crate::bfd;
use crate::bfd::protocol::SessionInfo;
use crate::control::{Cursor, Noun, Request};
use crate::kernel::{Dropped, Limited, Refused, RuleListing};
use crate::net::IfName;
use crate::routing::{EngineReader, KeptOut, LsdbPart, View};
use crate::tunnel::{Observation, device};

/// Maximum time to read all WireGuard devices together. A client waits for its answer, at most for the rest of one reading and for
/// another.
const DEVICES_PATIENCE: Duration = Duration::from_millis(600);
/// Maximum number of WireGuard devices that are read at the same time.
const DEVICES_AT_ONCE: usize = 64;
/// Maximum time in which `nft` lists the few sources that are refused, and the whole ruleset.
const SAMPLE_PATIENCE: Duration = Duration::from_millis(500);
const LISTING_PATIENCE: Duration = Duration::from_millis(1200);
/// Maximum time in which the BFD process lists its sessions.
const SESSIONS_PATIENCE: Duration = Duration::from_millis(1200);
/// Maximum time that the checks of this router's effects may take; after that the previous results are shown.
const CHECKS_PATIENCE: Duration = Duration::from_millis(400);

/// What the answer is made from, besides what the loop knows.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The engine's state.
    pub view: View,
    /// The WireGuard devices; none if the answer does not show them.
    pub reading: Reading,
    /// The sources that were refused recently; `None` if they were not read.
    pub refused: Option<Vec<Refused>>,
    /// The counters of the ruleset; `None` if they were not read.
    pub drops: Option<(Vec<Dropped>, Vec<Refused>)>,
    /// The BFD sessions; none if the answer does not show them.
    pub sessions: Vec<SessionInfo>,
    /// Frames beyond a limit, by VXLAN device.
    pub limited: BTreeMap<IfName, Limited>,
    /// A part of the link state database; `None` if it was not read.
    pub lsas: Option<LsdbPart>,
    /// Summaries of the databases of areas; empty if they were not read.
    pub areas: BTreeMap<AreaId, AreaSummary>,
}

/// Where it is read from.
pub(super) struct Sources {
    pub engine: EngineReader,
    pub kept_out: KeptOut,
    pub devices: Devices,
    pub rules: RuleListing,
    pub run_dir: PathBuf,
    /// Whether a status reads the sources that are refused.
    pub sample: bool,
    /// Completes when the checks that run at present have ended.
    pub checks: BoxFuture<'static, ()>,
}

impl Sources {
    /// Reads what the answer to `request` needs, from `from` on.
    ///
    /// # Errors
    /// If the routing task has ended, or if `nft` fails where its listing is the answer.
    pub(super) async fn gather(self, request: &Request, from: Option<Cursor>) -> anyhow::Result<Gathered> {
        let noun = match request {
            Request::Show { noun, .. } => Some(*noun),
            _ => None,
        };
        let is_first = from.is_none();
        let status = *request == Request::Status && is_first;
        let (rules, engine) = (&self.rules, &self.engine);
        let devices = async {
            match status || noun == Some(Noun::Tunnels) {
                true => self.devices.fresh(observe).await,
                false => Reading::none(),
            }
        };
        let refused = async {
            match status && self.sample {
                true => timeout(SAMPLE_PATIENCE, rules.refused_sources()).await.ok(),
                false => None,
            }
        };
        let checks = async {
            if status || (noun == Some(Noun::Routes) && is_first) {
                // If this takes too long, the previous results are shown.
                let _ = timeout(CHECKS_PATIENCE, self.checks).await;
            }
        };
        let limited = async {
            match noun == Some(Noun::L2) {
                true => timeout(SAMPLE_PATIENCE, rules.limited_frames()).await.unwrap_or_default(),
                false => BTreeMap::new(),
            }
        };
        let drops = async {
            match noun == Some(Noun::Filters) {
                true => {
                    let listed = timeout(LISTING_PATIENCE, rules.drops()).await;
                    listed.context("nft has not listed the ruleset in time")?.map(Some)
                }
                false => Ok(None),
            }
        };
        let lsas = async {
            match noun == Some(Noun::Lsdb) {
                true => {
                    let after = match from {
                        Some(Cursor::Lsa(cursor)) => cursor.place,
                        _ => None,
                    };
                    engine.lsas(after).await.map(Some)
                }
                false => Ok(None),
            }
        };
        let sessions = async {
            match noun == Some(Noun::Bfd) {
                true => {
                    let listed = timeout(SESSIONS_PATIENCE, bfd::client::list(&self.run_dir)).await;
                    listed.context("the BFD process has not answered in time")?
                }
                false => Ok(Vec::new()),
            }
        };
        let areas = async {
            match noun == Some(Noun::Areas) {
                true => area_summaries(engine).await,
                false => Ok(BTreeMap::new()),
            }
        };
        let (mut reading, refused, (), limited) = tokio::join!(devices, refused, checks, limited);
        let (drops, lsas, areas, sessions) = tokio::try_join!(drops, lsas, areas, sessions)?;
        let view = engine.view(self.kept_out).await?;
        let heard = view.neighbors.iter().filter(|neighbor| neighbor.state >= NeighborState::Init);
        if reading.is_overtaken(heard.map(|neighbor| (neighbor.interface_name.as_str(), neighbor.in_state))) {
            reading = self.devices.fresh(observe).await;
        }
        Ok(Gathered { view, reading, refused, drops, sessions, limited, lsas, areas })
    }
}

/// Reads a WireGuard device; `None` if it cannot be read.
async fn observe(interface: IfName) -> Option<Observation> {
    device::observe(&interface).await.ok()?
}

/// Summarizes the link state database of each area, which is read part by part.
async fn area_summaries(engine: &EngineReader) -> anyhow::Result<BTreeMap<AreaId, AreaSummary>> {
    let mut summaries: BTreeMap<AreaId, AreaSummary> = BTreeMap::new();
    let mut after: Option<LsaPlace> = None;
    loop {
        let part = engine.lsas(after).await?;
        for shown in &part.lsas {
            if let Domain::Area(area) = shown.domain {
                summaries.entry(area).or_default().count(&shown.lsa);
            }
        }
        after = part.rest;
        if after.is_none() {
            return Ok(summaries);
        }
    }
}

/// A reading of the WireGuard devices of the site's tunnels.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// When it began.
    pub at: Instant,
    /// When it had ended.
    pub read: Instant,
    /// The devices that could be read, by interface.
    pub devices: Arc<BTreeMap<IfName, Observation>>,
    /// The interfaces that were to be read.
    wanted: Arc<[IfName]>,
}

impl Reading {
    /// No devices.
    fn none() -> Self {
        let now = Instant::now();
        Self { at: now, read: now, devices: Arc::default(), wanted: Arc::default() }
    }

    /// Whether a neighbour was heard first, or got on with its adjacency, through a device that had no handshake yet when it was read.
    /// `neighbors` has the interface of each neighbour and how long it has been in its state.
    fn is_overtaken<'a>(&self, mut neighbors: impl Iterator<Item = (&'a str, Duration)>) -> bool {
        let age = self.at.elapsed();
        let without_handshake = |interface: &&IfName| {
            let found = self.devices.get(*interface).and_then(|found| found.device.peer.as_ref());
            found.is_none_or(|peer| peer.handshake_age.is_none())
        };
        let waiting: BTreeSet<&str> = self.wanted.iter().filter(without_handshake).map(IfName::as_str).collect();
        neighbors.any(|(interface, in_state)| in_state < age && waiting.contains(interface))
    }
}

/// The WireGuard devices of the site's tunnels, as clients see them.
#[derive(Debug, Clone, Default)]
pub(super) struct Devices {
    tunnels: Arc<[IfName]>,
    last: Arc<Mutex<Option<Reading>>>,
}

impl Devices {
    /// The devices of these tunnels. Readings are shared with `self`.
    pub(super) fn of(&self, tunnels: impl IntoIterator<Item = IfName>) -> Self {
        Self { tunnels: tunnels.into_iter().collect(), last: Arc::clone(&self.last) }
    }

    /// Returns a reading that began after this call: one made with `read`, or that of another client of the same devices.
    /// A device that cannot be read, or not in time, is left out; the loop has logged the reason.
    async fn fresh<R: Future<Output = Option<Observation>>>(&self, read: impl Fn(IfName) -> R) -> Reading {
        let asked_at = Instant::now();
        // Of several clients, one reads and the others wait, however many, for that reading and one more.
        let mut last = self.last.lock().await;
        let serves = |reading: &&Reading| reading.wanted == self.tunnels && reading.at >= asked_at;
        if let Some(reading) = last.as_ref().filter(serves) {
            return reading.clone();
        }
        let at = Instant::now();
        let deadline = at + DEVICES_PATIENCE;
        let asked: Vec<_> = self.tunnels.iter().map(|interface| (interface.clone(), read(interface.clone()))).collect();
        let asked = asked.into_iter().map(|(interface, device)| async move {
            let device = timeout_at(deadline, device).await.ok()??;
            Some((interface, device))
        });
        let devices: BTreeMap<_, _> =
            stream::iter(asked).buffer_unordered(DEVICES_AT_ONCE).filter_map(std::future::ready).collect().await;
        let (read, wanted) = (Instant::now(), Arc::clone(&self.tunnels));
        let reading = Reading { at, read, devices: Arc::new(devices), wanted };
        *last = Some(reading.clone());
        reading
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::keys::PrivateKey;
    use crate::reconcile::state::{AllowedIps, Backend, ObservedDevice, ObservedPeer, Traffic};

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn observation() -> Observation {
        observation_of(None)
    }

    fn observation_of(peer: Option<ObservedPeer>) -> Observation {
        let device = ObservedDevice {
            public_key: PrivateKey::generate().public(),
            listen_port: 51820,
            fwmark: 0,
            peer,
            unmanaged: BTreeSet::new(),
            traffic: Traffic::default(),
        };
        Observation { backend: Backend::Kernel, device }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_share_a_reading_that_began_after_each_of_them_has_asked() {
        let reads = AtomicUsize::new(0);
        // Each reading takes a while.
        let read = async |_| {
            reads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some(observation())
        };
        let begin = Instant::now();
        let later = |ms| begin + Duration::from_millis(ms);
        let devices = Devices::default();
        let ask = async |ms| {
            tokio::time::sleep_until(later(ms)).await;
            devices.of([name("wg-b"), name("wg-c")]).fresh(read).await
        };
        let (first, second, third, fourth) = tokio::join!(ask(0), ask(0), ask(1), ask(99));
        assert_eq!((first.at, second.at), (begin, begin));
        assert!(first.devices.contains_key(&name("wg-b")) && first.devices.contains_key(&name("wg-c")));
        assert_eq!((third.at, fourth.at), (later(100), later(100)), "the first reading may lack what they know");
        assert_eq!((third.read, fourth.read), (later(200), later(200)), "they wait for no third");
        assert_eq!(reads.load(Ordering::Relaxed), 4, "each device is read once for two clients");
        // A tunnel was added.
        assert!(devices.of([name("wg-d")]).fresh(read).await.devices.contains_key(&name("wg-d")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_does_not_answer_is_left_out_and_holds_up_nobody_for_long() {
        let read = async |interface: IfName| match interface.as_str() {
            "wg-b" => Some(observation()),
            "wg-c" => None,
            _ => std::future::pending().await,
        };
        let begin = Instant::now();
        let devices = Devices::default().of([name("wg-b"), name("wg-c"), name("wg-hung")]);
        let (reading, shared) = tokio::join!(devices.fresh(read), devices.fresh(read));
        assert_eq!(reading.devices.keys().map(IfName::as_str).collect::<Vec<_>>(), ["wg-b"]);
        assert_eq!((reading.at, shared.at, begin.elapsed()), (begin, begin, DEVICES_PATIENCE));
        // What is missing may be there for a later client.
        assert_eq!(devices.fresh(async |_| Some(observation())).await.devices.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_without_a_handshake_is_overtaken_by_a_neighbour_that_was_heard_since() {
        let peer = |handshake_age| ObservedPeer {
            public_key: PrivateKey::generate().public(),
            endpoint: None,
            keepalive_s: 0,
            allowed_ips: AllowedIps::Everything,
            preshared: None,
            handshake_age,
        };
        let read = async |interface: IfName| match interface.as_str() {
            "wg-up" => Some(observation_of(Some(peer(Some(Duration::ZERO))))),
            "wg-waits" => Some(observation_of(Some(peer(None)))),
            _ => None,
        };
        let reading = Devices::default().of(["wg-up", "wg-waits", "wg-missing"].map(name)).fresh(read).await;
        tokio::time::advance(Duration::from_millis(50)).await;
        for (interface, in_state, overtaken) in [
            ("wg-waits", 49, true),
            // The device was created anew under a neighbour that has not missed it yet: the reading says so.
            ("wg-waits", 50, false),
            ("wg-missing", 49, true),
            ("wg-up", 49, false),
            ("eth1", 49, false),
        ] {
            let neighbor = (interface, Duration::from_millis(in_state));
            assert_eq!(reading.is_overtaken([neighbor].into_iter()), overtaken, "{neighbor:?}");
        }
    }
}

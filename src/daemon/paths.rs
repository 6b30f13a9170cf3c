//! The paths through tunnels, as BFD finds them: which sessions there are to be, and what their states mean for OSPF.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ::bfd::CONTROL_PORT;
use ospf::PathState;

use super::local::Local;
use crate::bfd::client::News;
use crate::bfd::protocol::{SessionInfo, SessionSpec, SessionState};
use crate::net::IfName;

/// A session that is not Up for so long is reported, if OSPF has an adjacency over its path.
const PATIENCE: Duration = Duration::from_secs(10);

/// An end of a path: the interface, and the address of the peer.
pub(super) type Path = (IfName, Ipv4Addr);

/// What is known of sessions.
#[derive(Debug, Default)]
pub(super) struct Paths {
    sessions: BTreeMap<Path, Session>,
}

#[derive(Debug)]
struct Session {
    state: SessionState,
    /// When it last changed.
    since: Instant,
    /// What OSPF knows of it.
    path: PathState,
}

/// The sessions that there are to be: one for each tunnel that has BFD.
pub(super) fn wanted(local: &Local) -> Vec<SessionSpec> {
    let specs = local.tunnels.iter().filter_map(|(name, tunnel)| {
        let bfd = tunnel.bfd?;
        // The mesh file bounds it.
        let interval = u32::try_from(bfd.interval.as_micros()).unwrap_or(u32::MAX);
        Some(SessionSpec {
            interface: name.to_string(),
            peer: tunnel.peer_loopback,
            source: local.site.loopback,
            desired_min_tx_us: interval,
            required_min_rx_us: interval,
            multiplier: bfd.multiplier,
            passive: false,
            admin_down: false,
            authentication: None,
        })
    });
    specs.collect()
}

/// Returns the steps from one list of sessions to another, in words; none if nothing differs.
pub(super) fn differences(before: &[SessionSpec], after: &[SessionSpec]) -> Vec<String> {
    let end = |spec: &SessionSpec| (spec.interface.clone(), spec.peer, spec.source);
    let by_end = |specs: &[SessionSpec]| -> BTreeMap<_, SessionSpec> {
        specs.iter().map(|spec| (end(spec), spec.clone())).collect()
    };
    let (before, after) = (by_end(before), by_end(after));
    let values = |spec: &SessionSpec| {
        let interval = Duration::from_micros(spec.desired_min_tx_us.into());
        format!("session with {} on {}: {} × {interval:?}", spec.peer, spec.interface, spec.multiplier)
    };
    let ended = before.iter().filter(|(end, _)| !after.contains_key(*end));
    let ended = ended.map(|(_, spec)| format!("end the session with {} on {}", spec.peer, spec.interface));
    let begun = after.iter().filter_map(|(end, spec)| match before.get(end) {
        None => Some(format!("begin a {}", values(spec))),
        Some(known) => (known != spec).then(|| format!("change the {}", values(spec))),
    });
    ended.chain(begun).collect()
}

impl Paths {
    /// Takes news of the BFD process; returns the paths whose state OSPF does not know yet.
    pub(super) fn take(&mut self, news: News, now: Instant) -> Vec<(Path, PathState)> {
        match news {
            News::Sessions(sessions) => {
                let mut listed: BTreeMap<Path, Session> = sessions
                    .iter()
                    .filter_map(|info| Some((path(&info.interface, info.peer)?, session(info, now))))
                    .collect();
                let ended =
                    self.sessions.keys().filter(|path| !listed.contains_key(*path)).cloned().collect::<Vec<_>>();
                let mut changes: Vec<_> = ended.into_iter().filter_map(|path| self.remove(path)).collect();
                while let Some((path, session)) = listed.pop_first() {
                    changes.extend(self.put(path, session));
                }
                changes
            }
            News::Changed(change) => {
                let Some(path) = path(&change.interface, change.peer) else { return Vec::new() };
                let found = path_state(change.to, change.failed, change.remote_independent);
                self.put(path, Session { state: change.to, since: now, path: found }).into_iter().collect()
            }
            News::Lost => {
                let paths: Vec<Path> = self.sessions.keys().cloned().collect();
                paths.into_iter().filter_map(|path| self.remove(path)).collect()
            }
        }
    }

    fn put(&mut self, path: Path, session: Session) -> Option<(Path, PathState)> {
        let found = session.path;
        let before = self.sessions.insert(path.clone(), session).map_or(PathState::Untested, |before| before.path);
        (before != found).then_some((path, found))
    }

    fn remove(&mut self, path: Path) -> Option<(Path, PathState)> {
        let before = self.sessions.remove(&path)?;
        (before.path != PathState::Untested).then_some((path, PathState::Untested))
    }

    /// The paths that are known to be down: an engine that has got a new interface does not know it.
    pub(super) fn down(&self) -> Vec<(Path, PathState)> {
        let paths = self.sessions.iter().map(|(path, session)| (path.clone(), session.path));
        paths.filter(|(_, state)| matches!(state, PathState::Down { .. })).collect()
    }

    /// Forgets the sessions of interfaces that are not kept; returns their paths as far as OSPF knows something of them.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&IfName) -> bool) -> Vec<(Path, PathState)> {
        let left: Vec<Path> = self.sessions.keys().filter(|(interface, _)| !is_kept(interface)).cloned().collect();
        left.into_iter().filter_map(|path| self.remove(path)).collect()
    }

    /// The state of a session; `None` if there is none.
    pub(super) fn state(&self, interface: &IfName, peer: Ipv4Addr) -> Option<SessionState> {
        self.sessions.get(&(interface.clone(), peer)).map(|session| session.state)
    }

    /// A message for each session that is not Up though OSPF has an adjacency over its path: nothing but hellos finds a failure there.
    /// `is_full` says whether it has one.
    pub(super) fn problems(&self, local: &Local, is_full: impl Fn(&Path) -> bool, now: Instant) -> Vec<String> {
        let late = self.sessions.iter().filter(|(path, session)| {
            session.state != SessionState::Up
                && now.saturating_duration_since(session.since) > PATIENCE
                && is_full(path)
        });
        let message = |((interface, peer), session): (&Path, &Session)| {
            let site = local.tunnels.get(interface).map_or_else(|| peer.to_string(), |tunnel| tunnel.peer.clone());
            let seconds = now.saturating_duration_since(session.since).as_secs();
            let cause = match session.state {
                SessionState::Init => format!("BFD packets of {site} arrive, and it does not get those of this site"),
                _ => format!("no BFD packet of {site} arrives"),
            };
            format!(
                "{interface}: no BFD session with {site} for {seconds} s, though OSPF has an adjacency: {cause}. A failure is found after \
                 the dead interval only. See that {site} runs this mesh file, and that no firewall there or here drops UDP port \
                 {CONTROL_PORT} on the tunnel"
            )
        };
        late.map(message).collect()
    }
}

fn path(interface: &str, peer: Ipv4Addr) -> Option<Path> {
    Some((IfName::new(interface)?, peer))
}

fn session(info: &SessionInfo, now: Instant) -> Session {
    // If the peer's operator has ended it since, nothing is tested.
    let failed = info.failed && info.remote_state != Some(SessionState::AdminDown);
    let path = path_state(info.state, failed, info.remote_independent);
    let since = Duration::try_from_secs_f64(info.in_state_s).ok().and_then(|age| now.checked_sub(age)).unwrap_or(now);
    Session { state: info.state, since, path }
}

/// What OSPF is to know of a path whose session is in this state.
fn path_state(state: SessionState, failed: bool, remote_independent: bool) -> PathState {
    match state {
        SessionState::Up => PathState::Up,
        _ if failed => PathState::Down { shares_fate: !remote_independent },
        // It was not Up yet, or one of both operators has ended it.
        SessionState::AdminDown | SessionState::Down | SessionState::Init => PathState::Untested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bfd::protocol::SessionChange;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);
    const DOWN: PathState = PathState::Down { shares_fate: false };

    fn osaka() -> Path {
        (IfName::new("wg-osaka").unwrap(), PEER)
    }

    fn change(from: SessionState, to: SessionState, failed: bool) -> News {
        News::Changed(SessionChange {
            interface: "wg-osaka".to_owned(),
            peer: PEER,
            from,
            to,
            diagnostic: String::new(),
            failed,
            remote_independent: true,
        })
    }

    fn info(state: SessionState, failed: bool, remote_state: Option<SessionState>) -> SessionInfo {
        SessionInfo {
            interface: "wg-osaka".to_owned(),
            peer: PEER,
            state,
            failed,
            in_state_s: 20.0,
            diagnostic: String::new(),
            remote_state,
            remote_diagnostic: None,
            remote_independent: true,
            discriminators: (1, 2),
            transmit_interval_ms: None,
            detection_time_ms: None,
            received_ago_s: None,
            sent: 0,
            received: 0,
            trouble: None,
        }
    }

    #[test]
    fn ospf_gets_each_change_of_a_path_once() {
        use SessionState::{AdminDown, Down, Init, Up};
        let (mut paths, now) = (Paths::default(), Instant::now());
        let mut take = |news| {
            paths
                .take(news, now)
                .into_iter()
                .map(|(path, state)| {
                    assert_eq!(path, osaka());
                    state
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(take(change(Down, Init, false)), [], "not Up yet: hellos alone decide");
        assert_eq!(take(change(Init, Up, false)), [PathState::Up]);
        assert_eq!(take(News::Sessions(vec![info(Up, false, Some(Up))])), []);
        assert_eq!(take(change(Up, Down, true)), [DOWN]);
        assert_eq!(take(change(Down, Init, true)), [], "still not Up");
        assert_eq!(take(News::Sessions(vec![info(Init, true, Some(Down))])), []);
        assert_eq!(take(change(Init, Up, false)), [PathState::Up]);
        // Farewells: of the peer, of this end, of the process.
        assert_eq!(take(change(Up, Down, false)), [PathState::Untested]);
        assert_eq!(take(change(Init, Up, false)), [PathState::Up]);
        assert_eq!(take(change(Up, AdminDown, false)), [PathState::Untested]);
        assert_eq!(take(change(Down, Up, false)), [PathState::Up]);
        assert_eq!(take(News::Sessions(Vec::new())), [PathState::Untested]);
        assert_eq!(take(News::Sessions(vec![info(Down, true, None)])), [DOWN], "found so by a daemon that starts");
        assert_eq!(take(News::Sessions(vec![info(Down, true, Some(AdminDown))])), [PathState::Untested]);
        assert_eq!(take(News::Sessions(vec![info(Up, false, Some(Up))])), [PathState::Up]);
        assert_eq!(take(News::Lost), [PathState::Untested]);
        assert_eq!(take(News::Lost), []);
    }

    #[test]
    fn a_plan_names_each_session_that_begins_changes_or_ends() {
        let spec = |interface: &str, ms: u32| SessionSpec {
            interface: interface.to_owned(),
            peer: PEER,
            source: Ipv4Addr::new(10, 255, 0, 1),
            desired_min_tx_us: 1000 * ms,
            required_min_rx_us: 1000 * ms,
            multiplier: 3.try_into().unwrap(),
            passive: false,
            admin_down: false,
            authentication: None,
        };
        let before = [spec("wg-a", 100), spec("wg-b", 100), spec("wg-c", 100)];
        let after = [spec("wg-a", 100), spec("wg-b", 50), spec("wg-d", 100)];
        assert_eq!(differences(&before, &before), [""; 0]);
        assert_eq!(
            differences(&before, &after),
            [
                "end the session with 10.255.0.2 on wg-c",
                "change the session with 10.255.0.2 on wg-b: 3 × 50ms",
                "begin a session with 10.255.0.2 on wg-d: 3 × 100ms",
            ]
        );
    }

    #[test]
    fn an_engine_with_new_interfaces_is_given_what_is_down() {
        let (mut paths, now) = (Paths::default(), Instant::now());
        paths.take(News::Sessions(vec![info(SessionState::Down, true, None)]), now);
        assert_eq!(paths.down(), [(osaka(), DOWN)]);
        paths.take(change(SessionState::Down, SessionState::Up, false), now);
        assert_eq!((paths.down().len(), paths.state(&osaka().0, PEER)), (0, Some(SessionState::Up)));
        assert_eq!(paths.keep(|_| true), []);
        assert_eq!(paths.keep(|name| *name != osaka().0), [(osaka(), PathState::Untested)]);
        assert_eq!(paths.state(&osaka().0, PEER), None);
    }
}

//! Looks up the endpoints of tunnels: asks DNS and the WireGuard devices for what each [`Lookup`] needs to know, and informs the daemon
//! when an endpoint changes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::lookup::{HANDSHAKE_OLD, Lookup, Outcome, Question};
use crate::mesh::{Host, Tunnel};
use crate::net::IfName;
use crate::tunnel::device;

/// Maximum time for a DNS lookup.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum number of questions that are asked at the same time.
const MAX_QUESTIONS: usize = 32;

/// The endpoints of all tunnels.
#[derive(Default)]
pub struct Endpoints {
    tunnels: BTreeMap<IfName, Endpoint>,
    questions: JoinSet<Answered>,
}

enum Endpoint {
    Fixed(SocketAddr),
    Named { name: String, port: u16, lookup: Lookup, failure: Option<Failure> },
}

/// A DNS name that does not resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// The resolver's error.
    pub error: String,
    /// For how long it has failed, not necessarily with the same error.
    pub since: Duration,
    /// The address that it had before, which remains in use.
    pub former: Option<IpAddr>,
}

struct Failure {
    error: String,
    since: Instant,
}

/// An answer, with the name and the port that were asked for: after a reload the interface may have another peer.
struct Answered {
    interface: IfName,
    name: String,
    port: u16,
    answer: Answer,
}

enum Answer {
    Handshake(Option<Duration>),
    Addresses(Result<Vec<IpAddr>, String>),
}

impl Endpoints {
    /// Sets the endpoints of `tunnels`. Names that were known before keep their address.
    pub fn set<'a>(&mut self, tunnels: impl IntoIterator<Item = &'a Tunnel>) {
        let mut before = std::mem::take(&mut self.tunnels);
        for tunnel in tunnels {
            let Some((host, port)) = &tunnel.endpoint else { continue };
            let endpoint = match host {
                Host::Address(address) => Endpoint::Fixed(SocketAddr::new(*address, *port)),
                Host::Name(name) => match before.remove(&tunnel.interface) {
                    Some(known) if known.is_named(name, *port) => known,
                    _ => Endpoint::named(name.clone(), *port),
                },
            };
            self.tunnels.insert(tunnel.interface.clone(), endpoint);
        }
    }

    /// The endpoint of the peer of `interface`; `None` if it has none, or a name that has no address yet.
    pub fn endpoint(&self, interface: &IfName) -> Option<SocketAddr> {
        match self.tunnels.get(interface)? {
            Endpoint::Fixed(address) => Some(*address),
            Endpoint::Named { lookup, .. } => lookup.endpoint(),
        }
    }

    /// The endpoint that the peer of `tunnel` has, or would have if its tunnel were one of these: a name has an address here only if the
    /// same interface has it already.
    pub fn of(&self, tunnel: &Tunnel) -> Option<SocketAddr> {
        match tunnel.endpoint.as_ref()? {
            (Host::Address(address), port) => Some(SocketAddr::new(*address, *port)),
            (Host::Name(name), port) => {
                let known = self.tunnels.get(&tunnel.interface).filter(|known| known.is_named(name, *port))?;
                match known {
                    Endpoint::Fixed(_) => None,
                    Endpoint::Named { lookup, .. } => lookup.endpoint(),
                }
            }
        }
    }

    /// Why the name of the peer of `interface` does not resolve; `None` if it does.
    pub fn unresolved(&self, interface: &IfName, now: Instant) -> Option<Unresolved> {
        let Endpoint::Named { name, lookup, failure: Some(failure), .. } = self.tunnels.get(interface)? else {
            return None;
        };
        Some(Unresolved {
            name: name.clone(),
            error: failure.error.clone(),
            since: now.saturating_duration_since(failure.since),
            former: lookup.endpoint().map(|endpoint| endpoint.ip()),
        })
    }

    /// Runs until the endpoint of an interface changes, and returns that interface. Cancel safe. Nothing is looked up unless this is
    /// awaited.
    pub async fn moved(&mut self) -> IfName {
        loop {
            self.ask();
            let next_deadline = self.next_deadline();
            tokio::select! {
                Some(answered) = self.questions.join_next() => {
                    let answered = answered.expect("a question neither panics nor is aborted");
                    if let Some(interface) = self.take(answered) {
                        return interface;
                    }
                }
                () = until(next_deadline) => {}
            }
        }
    }

    /// Asks the questions that are due.
    fn ask(&mut self) {
        let now = Instant::now();
        for (interface, endpoint) in &mut self.tunnels {
            let Endpoint::Named { name, port, lookup, .. } = endpoint else { continue };
            if self.questions.len() >= MAX_QUESTIONS {
                return; // `moved` asks again when a question has been answered
            }
            if let Some(question) = lookup.poll(now) {
                let (interface, name, port) = (interface.clone(), name.clone(), *port);
                self.questions.spawn(async move {
                    let answer = answer(question, &interface, &name, port).await;
                    Answered { interface, name, port, answer }
                });
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.questions.len() >= MAX_QUESTIONS {
            return None;
        }
        let deadline = |endpoint: &Endpoint| match endpoint {
            Endpoint::Fixed(_) => None,
            Endpoint::Named { lookup, .. } => lookup.next_deadline(),
        };
        self.tunnels.values().filter_map(deadline).min()
    }

    fn take(&mut self, Answered { interface, name, port, answer }: Answered) -> Option<IfName> {
        let endpoint = self.tunnels.get_mut(&interface).filter(|endpoint| endpoint.is_named(&name, port))?;
        let Endpoint::Named { lookup, failure, .. } = endpoint else { return None };
        let now = Instant::now();
        let addresses = match answer {
            Answer::Handshake(age) => {
                lookup.handshake(now, age);
                if age.is_some_and(|age| age < HANDSHAKE_OLD) {
                    // The present address works. The name is not looked up for now, so the last failure says nothing about it any more.
                    *failure = None;
                }
                return None;
            }
            Answer::Addresses(Ok(addresses)) => {
                *failure = None;
                addresses
            }
            Answer::Addresses(Err(error)) => {
                tracing::warn!(name, error, "endpoint does not resolve");
                let since = failure.take().map_or(now, |failure| failure.since);
                *failure = Some(Failure { error, since });
                Vec::new()
            }
        };
        match lookup.addresses(now, &addresses) {
            Outcome::Kept => None,
            Outcome::Moved => {
                let endpoint = lookup.endpoint().map(tracing::field::display);
                tracing::info!(iface = %interface, name, endpoint, "endpoint resolved");
                Some(interface)
            }
        }
    }
}

impl Endpoint {
    fn named(name: String, port: u16) -> Self {
        Self::Named { name, port, lookup: Lookup::new(port, Instant::now()), failure: None }
    }

    fn is_named(&self, wanted: &str, at: u16) -> bool {
        matches!(self, Self::Named { name, port, .. } if name == wanted && *port == at)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn answer(question: Question, interface: &IfName, name: &str, port: u16) -> Answer {
    match question {
        Question::Handshake => Answer::Handshake(handshake_age(interface).await),
        Question::Addresses => Answer::Addresses(resolve(name, port).await),
    }
}

async fn handshake_age(interface: &IfName) -> Option<Duration> {
    match device::observe(interface).await {
        Ok(observation) => observation?.device.peer?.handshake_age,
        Err(error) => {
            tracing::debug!(iface = %interface, error = format!("{error:#}"), "age of the last handshake");
            None
        }
    }
}

/// Looks up the addresses of `name`.
///
/// # Errors
/// The resolver's error; also if the name has no address.
async fn resolve(name: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    match timeout(PATIENCE, lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tunnel is asked for through its interface; the rest of it does not matter here.
    fn endpoints(host: Host) -> (Endpoints, IfName) {
        let interface = IfName::new("wg-none").unwrap();
        let mut endpoints = Endpoints::default();
        let endpoint = match host {
            Host::Address(address) => Endpoint::Fixed(SocketAddr::new(address, 51820)),
            Host::Name(name) => Endpoint::named(name, 51820),
        };
        endpoints.tunnels.insert(interface.clone(), endpoint);
        (endpoints, interface)
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let (mut endpoints, interface) = endpoints(Host::Address("192.0.2.1".parse().unwrap()));
        assert_eq!(endpoints.endpoint(&interface), "192.0.2.1:51820".parse().ok());
        assert!(timeout(Duration::ZERO, endpoints.moved()).await.is_err());
    }

    #[tokio::test]
    async fn a_name_gets_its_address_and_says_so() {
        let (mut endpoints, interface) = endpoints(Host::Name("localhost".into()));
        assert_eq!(endpoints.endpoint(&interface), None);
        let moved = timeout(Duration::from_secs(20), endpoints.moved()).await.expect("localhost resolves");
        assert_eq!(moved, interface);
        assert!(endpoints.endpoint(&interface).is_some_and(|endpoint| endpoint.ip().is_loopback()));
    }

    #[tokio::test]
    async fn an_answer_about_a_former_name_is_dropped() {
        let (mut endpoints, interface) = endpoints(Host::Name("new.example".into()));
        let answer = Answer::Addresses(Ok(vec!["192.0.2.1".parse().unwrap()]));
        let late = Answered { interface: interface.clone(), name: "old.example".into(), port: 51820, answer };
        assert_eq!(endpoints.take(late), None);
        assert_eq!(endpoints.endpoint(&interface), None);
    }

    #[test]
    fn a_name_that_does_not_resolve_is_reported_with_its_first_failure_until_it_does_or_its_address_proves_right() {
        let (mut endpoints, interface) = endpoints(Host::Name("vpn.example".into()));
        let begin = Instant::now();
        let mut answer = |answer: Answer| {
            let Some(Endpoint::Named { lookup, .. }) = endpoints.tunnels.get_mut(&interface) else { unreachable!() };
            // Whatever it wants to know: an hour later it wants to know something.
            lookup.poll(begin + Duration::from_secs(3600));
            endpoints.take(Answered { interface: interface.clone(), name: "vpn.example".into(), port: 51820, answer });
            endpoints.unresolved(&interface, Instant::now() + Duration::from_secs(60))
        };
        let failed = |error: &str| Answer::Addresses(Err(error.to_owned()));
        let first = answer(failed("no such name")).unwrap();
        assert_eq!((first.name.as_str(), first.error.as_str(), first.former), ("vpn.example", "no such name", None));
        let second = answer(failed("no answer within 10 s")).unwrap();
        assert_eq!(second.error, "no answer within 10 s");
        assert!(second.since >= Duration::from_secs(60));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(answer(Answer::Addresses(Ok(vec![address]))), None);
        assert_eq!(answer(Answer::Handshake(None)), None);
        assert_eq!(answer(failed("no such name")).unwrap().former, Some(address));
        assert!(answer(Answer::Handshake(Some(HANDSHAKE_OLD))).is_some());
        assert!(answer(failed("no such name")).is_some());
        assert_eq!(answer(Answer::Handshake(Some(Duration::from_secs(1)))), None);
    }
}

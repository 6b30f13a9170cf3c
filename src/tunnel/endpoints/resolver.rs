//! Asks DNS and the devices what the [`Lookup`]s want to know, and tells the daemon when an endpoint moves.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::lookup::{Lookup, Outcome, Question};
use crate::mesh::{Host, IfName, Tunnel};
use crate::tunnel::device;

/// A name server that takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most questions under way at a time.
const MAX_QUESTIONS: usize = 32;

/// The endpoints of all tunnels.
#[derive(Default)]
pub struct Endpoints {
    tunnels: BTreeMap<IfName, Endpoint>,
    questions: JoinSet<Answered>,
}

enum Endpoint {
    Fixed(SocketAddr),
    Named { name: String, port: u16, lookup: Lookup },
}

/// An answer, with the name and port it is about: after a reload the interface may lead elsewhere.
struct Answered {
    interface: IfName,
    name: String,
    port: u16,
    answer: Answer,
}

enum Answer {
    Handshake(Option<Duration>),
    Addresses(Vec<IpAddr>),
}

impl Endpoints {
    /// Takes over the endpoints of `tunnels`: names that were known before keep their address.
    pub fn set<'a>(&mut self, tunnels: impl IntoIterator<Item = &'a Tunnel>) {
        let mut before = std::mem::take(&mut self.tunnels);
        for tunnel in tunnels {
            let Some((host, port)) = &tunnel.endpoint else { continue };
            let endpoint = match host {
                Host::Address(address) => Endpoint::Fixed(SocketAddr::new(*address, *port)),
                Host::Name(name) => match before.remove(&tunnel.interface) {
                    Some(known) if known.is_named(name, *port) => known,
                    _ => {
                        Endpoint::Named { name: name.clone(), port: *port, lookup: Lookup::new(*port, Instant::now()) }
                    }
                },
            };
            self.tunnels.insert(tunnel.interface.clone(), endpoint);
        }
    }

    /// Where to send what leaves through `interface`; `None` if its peer has no endpoint, or a name without address yet.
    pub fn endpoint(&self, interface: &IfName) -> Option<SocketAddr> {
        match self.tunnels.get(interface)? {
            Endpoint::Fixed(address) => Some(*address),
            Endpoint::Named { lookup, .. } => lookup.endpoint(),
        }
    }

    /// Works until the endpoint of an interface moves, and names the interface. Cancel safe; to be awaited all the time,
    /// nothing is looked up otherwise.
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

    /// Puts the questions that are due.
    fn ask(&mut self) {
        let now = Instant::now();
        for (interface, endpoint) in &mut self.tunnels {
            let Endpoint::Named { name, port, lookup } = endpoint else { continue };
            if self.questions.len() >= MAX_QUESTIONS {
                return; // the end of one wakes us again
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
        let Endpoint::Named { lookup, .. } = endpoint else { return None };
        let now = Instant::now();
        match answer {
            Answer::Handshake(age) => {
                lookup.handshake(now, age);
                None
            }
            Answer::Addresses(addresses) => match lookup.addresses(now, &addresses) {
                Outcome::Kept => None,
                Outcome::Moved => {
                    let endpoint = lookup.endpoint().map(tracing::field::display);
                    tracing::info!(iface = %interface, name, endpoint, "endpoint resolved");
                    Some(interface)
                }
            },
        }
    }
}

impl Endpoint {
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

async fn resolve(name: &str, port: u16) -> Vec<IpAddr> {
    let error = match timeout(PATIENCE, lookup_host((name, port))).await {
        Ok(Ok(found)) => return found.map(|address| address.ip()).collect(),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    tracing::warn!(name, error, "endpoint does not resolve");
    Vec::new()
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
            Host::Name(name) => Endpoint::Named { name, port: 51820, lookup: Lookup::new(51820, Instant::now()) },
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
        let answer = Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]);
        let late = Answered { interface: interface.clone(), name: "old.example".into(), port: 51820, answer };
        assert_eq!(endpoints.take(late), None);
        assert_eq!(endpoints.endpoint(&interface), None);
    }
}

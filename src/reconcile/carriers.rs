//! Decides which listed prefixes of a site are advertised. A prefix is withdrawn when its carriers are gone, so that packets go to another
//! site that lists it.
//!
//! A carrier of a prefix leads to hosts in the prefix without a tunnel. It is an interface that is up and has an IPv4 network that overlaps
//! the prefix, a foreign route in the kernel that is within the prefix, or such a route that a router on the LAN announces. The only
//! carrier of 0.0.0.0/0 is a default route.
//!
//! | carriers now | carriers before, in this run | the prefix is |
//! |---|---|---|
//! | some | any | advertised |
//! | none | none | advertised: the carrier is unknown, as with a prefix that another router or a rule forwards |
//! | none | some | withdrawn |
//!
//! A foreign route that drops packets is a carrier, too: it was added so that the prefix is advertised ("hold-up" route).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;

use super::state::{Foreign, ForeignInterface};
use crate::mesh::Site;
use crate::net::{IfName, Prefix};

/// What carries a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A foreign interface, or the bridge of a segment, with this address.
    Interface(IfName, Ipv4Network),
    /// A foreign route in the kernel, and its outgoing interface if it has exactly one.
    Route(Prefix, Option<IfName>),
    /// A route that a router on the LAN announces by OSPF.
    Learned(Prefix),
}

/// Formatted as `eth1 (10.1.0.1/24)` or `the route to 10.1.5.0/24`.
impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name, network) => write!(f, "{name} ({network})"),
            Self::Route(prefix, _) => write!(f, "the route to {prefix}"),
            Self::Learned(prefix) => write!(f, "the OSPF route to {prefix}"),
        }
    }
}

/// The listed prefixes of a site that are withdrawn when their carriers are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed {
    prefixes: BTreeSet<Prefix>,
    /// The router's own address, which is not a carrier.
    loopback: Option<Ipv4Addr>,
}

impl Followed {
    /// Returns those of `site`: all prefixes but the static ones, and but 0.0.0.0/0 where `default_originate` replaces it.
    pub fn of(site: &Site) -> Self {
        let followed = site.prefixes.iter().filter(|prefix| !site.static_prefixes.contains(*prefix));
        let prefixes = followed.filter(|prefix| !prefix.is_default() || site.default_originate.is_none());
        Self { prefixes: prefixes.copied().collect(), loopback: Some(site.loopback) }
    }

    /// Returns whether a route to `destination` may carry one of the prefixes.
    pub fn concerns(&self, destination: Prefix) -> bool {
        self.prefixes.iter().any(|prefix| may_carry(*prefix, destination))
    }

    /// Returns the prefixes that no interface carries, so that they depend on routes.
    pub fn left_to_routes(&self, interfaces: &BTreeMap<IfName, ForeignInterface>) -> BTreeSet<Prefix> {
        let prefixes = self.prefixes.iter().copied();
        prefixes.filter(|prefix| self.interfaces(*prefix, interfaces).next().is_none()).collect()
    }

    fn interfaces<'a>(
        &self,
        prefix: Prefix,
        interfaces: &'a BTreeMap<IfName, ForeignInterface>,
    ) -> impl Iterator<Item = Carrier> + use<'a> {
        let loopback = self.loopback;
        // Every network overlaps 0.0.0.0/0, but no network leads to all destinations.
        let running = interfaces.iter().filter(move |(_, found)| found.running && !prefix.is_default());
        running.flat_map(move |(name, found)| {
            let networks = found.addresses.iter().filter(move |network| carries(**network, prefix, loopback));
            networks.map(move |network| Carrier::Interface(name.clone(), *network))
        })
    }
}

/// Returns whether a route to `destination` is a carrier of `prefix` if it leads to hosts of this site.
pub fn may_carry(prefix: Prefix, destination: Prefix) -> bool {
    prefix.covers(destination) && (!prefix.is_default() || destination.is_default())
}

/// Returns whether hosts of `prefix` may be in the network of an interface.
fn carries(network: Ipv4Network, prefix: Prefix, loopback: Option<Ipv4Addr>) -> bool {
    let address = network.ip();
    let is_elsewhere = Some(address) == loopback || address.is_loopback() || address.is_link_local();
    let around = Prefix::from(network);
    !is_elsewhere && (prefix.covers(around) || around.covers(prefix))
}

/// Everything at this moment that may carry prefixes.
#[derive(Debug)]
pub struct Present<'a, R, L> {
    /// Foreign interfaces and routes.
    pub foreign: &'a Foreign,
    /// The routes that OSPF has computed.
    pub learned: &'a BTreeMap<Prefix, R>,
    /// Returns whether such a route leads to the router on the LAN that announces it, and is used.
    pub is_of_lan: L,
}

impl<R, L: Fn(Prefix, &R) -> bool> Present<'_, R, L> {
    /// Returns the carriers of `prefix`: all interfaces that carry it, or, if there are none, one route.
    fn carriers(&self, prefix: Prefix, followed: &Followed) -> BTreeSet<Carrier> {
        let interfaces: BTreeSet<Carrier> = followed.interfaces(prefix, &self.foreign.interfaces).collect();
        if !interfaces.is_empty() {
            return interfaces;
        }
        let mut routes = within(&self.foreign.routes, prefix).filter(|(_, route)| route.has_carrier);
        let route = routes.find_map(|(destination, route)| {
            let Some(index) = route.interface else { return Some(Carrier::Route(destination, None)) };
            // Tunnels of weft are not in this map: a route into a tunnel leads to another site.
            let (name, _) = self.foreign.interfaces.iter().find(|(_, found)| found.index == index)?;
            Some(Carrier::Route(destination, Some(name.clone())))
        });
        let learned = || {
            let mut learned = within(self.learned, prefix);
            learned.find(|(destination, route)| (self.is_of_lan)(*destination, route))
        };
        route.or_else(|| learned().map(|(destination, _)| Carrier::Learned(destination))).into_iter().collect()
    }
}

/// Returns the routes that may carry `prefix`.
fn within<R>(routes: &BTreeMap<Prefix, R>, prefix: Prefix) -> impl Iterator<Item = (Prefix, &R)> {
    // In the order of the map, the prefixes that a prefix covers follow it directly.
    routes
        .range(prefix..)
        .map(|(destination, route)| (*destination, route))
        .take_while(move |(destination, _)| may_carry(prefix, *destination))
}

/// The state of a listed prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is advertised, and has these carriers.
    Carried(BTreeSet<Carrier>),
    /// It is advertised, although it has had no carrier since weft started.
    NeverCarried,
    /// It is withdrawn: these were its last carriers.
    Withdrawn(BTreeSet<Carrier>),
}

/// The state of each followed prefix, with its last carriers since weft started.
#[derive(Debug, Default)]
pub struct Carriers {
    standings: BTreeMap<Prefix, Standing>,
}

impl Carriers {
    /// Updates the states from what is present now. Returns the prefixes that this withdraws or advertises again.
    pub fn update<R, L>(&mut self, followed: &Followed, present: &Present<'_, R, L>) -> BTreeSet<Prefix>
    where
        L: Fn(Prefix, &R) -> bool,
    {
        let withdrawn_before = self.withdrawn();
        self.standings.retain(|prefix, _| followed.prefixes.contains(prefix));
        for prefix in &followed.prefixes {
            let carriers = present.carriers(*prefix, followed);
            let before = self.standings.remove(prefix);
            let now = match before {
                _ if !carriers.is_empty() => Standing::Carried(carriers),
                Some(Standing::Carried(last) | Standing::Withdrawn(last)) => Standing::Withdrawn(last),
                Some(Standing::NeverCarried) | None => Standing::NeverCarried,
            };
            self.standings.insert(*prefix, now);
        }
        withdrawn_before.symmetric_difference(&self.withdrawn()).copied().collect()
    }

    /// Returns the prefixes that are withdrawn.
    pub fn withdrawn(&self) -> BTreeSet<Prefix> {
        let withdrawn = self.standings.iter().filter(|(_, standing)| matches!(standing, Standing::Withdrawn(_)));
        withdrawn.map(|(prefix, _)| *prefix).collect()
    }

    /// Returns the state of the prefix; `None` if it is not followed.
    pub fn standing(&self, prefix: Prefix) -> Option<&Standing> {
        self.standings.get(&prefix)
    }

    /// Returns the interfaces that are carriers, or that the routes that are carriers use, present and last ones.
    pub fn interfaces(&self) -> BTreeSet<IfName> {
        let carriers = self.standings.values().flat_map(|standing| match standing {
            Standing::Carried(carriers) | Standing::Withdrawn(carriers) => Some(carriers),
            Standing::NeverCarried => None,
        });
        let named = carriers.flatten().filter_map(|carrier| match carrier {
            Carrier::Interface(name, _) | Carrier::Route(_, Some(name)) => Some(name.clone()),
            Carrier::Route(_, None) | Carrier::Learned(_) => None,
        });
        named.collect()
    }

    /// Describes each withdrawn prefix and the reason.
    pub fn problems(&self, interfaces: &BTreeMap<IfName, ForeignInterface>) -> Vec<String> {
        let withdrawn = self.standings.iter().filter_map(|(prefix, standing)| match standing {
            Standing::Withdrawn(last) => Some((prefix, last)),
            Standing::Carried(_) | Standing::NeverCarried => None,
        });
        let sentences = withdrawn.map(|(prefix, last)| {
            let causes: Vec<String> = last.iter().map(|carrier| loss(carrier, interfaces)).collect();
            format!("{prefix} is withdrawn, for nothing here carries it any more: {}", causes.join("; "))
        });
        sentences.collect()
    }

    /// Describes each prefix that is advertised although it has had no carrier.
    pub fn notes(&self) -> Vec<String> {
        let never = self.standings.iter().filter(|(_, standing)| **standing == Standing::NeverCarried);
        let sentences = never.map(|(prefix, _)| match *prefix {
            Prefix::DEFAULT_V4 => format!(
                "{prefix} is advertised, though there has been no default route here but weft's since weft started: \
                 `static = true` says that this is meant"
            ),
            prefix => format!(
                "{prefix} is advertised, though nothing here has carried it since weft started, neither an interface \
                 with a network in it nor a route: `static = true` says that this is meant"
            ),
        });
        sentences.collect()
    }
}

/// Describes why a carrier is lost.
fn loss(carrier: &Carrier, interfaces: &BTreeMap<IfName, ForeignInterface>) -> String {
    let found = |name| interfaces.get(name);
    match carrier {
        Carrier::Interface(name, _) if found(name).is_none() => format!("there is no interface {name} any more"),
        Carrier::Interface(name, _) if found(name).is_some_and(|found| !found.running) => {
            format!("{name} is down, or has no carrier")
        }
        Carrier::Interface(name, network) => format!("{name} has lost its address {network}"),
        Carrier::Route(_, Some(name)) if found(name).is_some_and(|found| !found.running) => {
            format!("{carrier} leads out by {name}, which is down, or has no carrier")
        }
        Carrier::Route(..) | Carrier::Learned(_) => format!("{carrier} is gone"),
    }
}

#[cfg(test)]
mod tests;

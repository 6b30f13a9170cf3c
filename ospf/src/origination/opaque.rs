//! Opaque LSAs (RFC 5250): originated for the driver, and reported to it when received. The engine does not interpret their contents.
//!
//! They are flooded like all other LSAs, but only to opaque-capable neighbours; see [`crate::flooding::flood`].

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::event::{Event, OpaqueRefusal};
use crate::ids::{Domain, LinkStateId, LsaKey, LsaPlace, RouterId};
use crate::io::Output;
use crate::machine::neighbor::NeighborState;
use crate::route::{Reached, reached};
use crate::state::engine::Engine;
use crate::wire::{GraceLsa, LsaBody, Options};

/// The maximum number of opaque LSAs that this router originates.
pub const MAX_OPAQUE_LSAS: usize = 256;

/// The maximum length of an opaque LSA's body, in octets: a quarter of an IP packet.
pub const MAX_OPAQUE_OCTETS: usize = 16 * 1024;

/// The largest Opaque ID, which has 24 bits.
const MAX_OPAQUE_ID: u32 = 0x00ff_ffff;

impl Engine {
    /// Originates or changes an opaque LSA of the driver, or (with `None`) withdraws it.
    pub(crate) fn set_opaque(&mut self, scope: Domain, opaque_type: u8, opaque_id: u32, body: Option<Bytes>) {
        // RFC 5250 §A.2: the Link State ID consists of Opaque Type and Opaque ID.
        let id = LinkStateId(u32::from(opaque_type) << 24 | opaque_id & MAX_OPAQUE_ID);
        let key = (scope, id);
        let lsa = LsaKey { kind: scope.opaque_lsa_type(), id, advertising_router: self.config.router_id };
        let as_scope_before = self.originates_opaque_as_scope();
        match body {
            None => {
                self.opaques.own.remove(&key);
            }
            Some(body) => {
                let is_new = !self.opaques.own.contains_key(&key);
                let refusal = if opaque_id > MAX_OPAQUE_ID {
                    Some(OpaqueRefusal::Identifier)
                } else if GraceLsa::is_key(lsa) {
                    Some(OpaqueRefusal::Reserved)
                } else if body.len() > MAX_OPAQUE_OCTETS {
                    Some(OpaqueRefusal::TooLong)
                } else if is_new && self.opaques.own.len() >= MAX_OPAQUE_LSAS {
                    Some(OpaqueRefusal::TooMany)
                } else {
                    None
                };
                if let Some(reason) = refusal {
                    self.event(Event::OpaqueNotOriginated { scope, opaque_type, opaque_id, reason });
                    return;
                }
                self.opaques.own.insert(key, padded(body));
            }
        }
        self.want_opaques();
        if self.originates_opaque_as_scope() != as_scope_before {
            for area in self.areas() {
                self.router_lsa_changed(area);
            }
        }
    }

    /// RFC 5250 §6: a router that originates opaque LSAs of AS scope advertises itself as an AS boundary router, so that other areas have a
    /// path to it.
    pub(crate) fn originates_opaque_as_scope(&self) -> bool {
        self.opaques.own.keys().any(|(domain, _)| *domain == Domain::As)
    }

    /// Originates those of our opaque LSAs whose interface or area exists at present, and withdraws the others.
    pub(crate) fn want_opaques(&mut self) {
        let mut gone = std::mem::take(&mut self.opaques.wanted);
        let areas = self.areas();
        let takes_as_scope = self.takes_as_scope();
        for (&(domain, id), body) in &self.opaques.own {
            let options = match domain {
                Domain::Link(interface) => {
                    // RFC 5250 §3.1: not over virtual links.
                    let found = self.interfaces.get(&interface);
                    let up = found.filter(|found| found.active_link().is_some() && !found.is_virtual());
                    up.map(|interface| interface.external_routing.options())
                }
                Domain::Area(area) => areas.contains(&area).then(|| self.config.area_options(area)),
                Domain::As => takes_as_scope.then_some(Options::E),
            };
            let Some(options) = options else { continue };
            let key = LsaKey { kind: domain.opaque_lsa_type(), id, advertising_router: self.config.router_id };
            let place = LsaPlace { domain, key };
            gone.remove(&place);
            self.opaques.wanted.insert(place);
            self.originations.want(place, options, LsaBody::Opaque(body.clone()));
        }
        for place in gone {
            self.originations.withdraw(place);
        }
    }

    /// Reports, once for each input, changes of watched opaque LSAs of other routers to the driver.
    ///
    /// RFC 5250 §5: an opaque LSA whose originator is unreachable must not be used; it is reported as withdrawn.
    pub(crate) fn announce_opaques(&mut self) {
        if !std::mem::take(&mut self.opaques.changed) {
            return;
        }
        let now = self.usable_opaques();
        let before = std::mem::take(&mut self.opaques.announced);
        for place in before.keys().filter(|place| !now.contains_key(place)) {
            self.outputs.push_back(Output::Opaque { domain: place.domain, key: place.key, body: None });
        }
        for (place, body) in &now {
            if before.get(place) != Some(body) {
                let body = Some(body.clone());
                self.outputs.push_back(Output::Opaque { domain: place.domain, key: place.key, body });
            }
        }
        self.opaques.announced = now;
    }

    /// Notes that opaque LSAs of other routers, or the set of watched types, may have changed.
    pub(crate) fn opaques_changed(&mut self) {
        self.opaques.changed = true;
    }

    /// Notes that routers may have become reachable or unreachable.
    pub(crate) fn reachability_changed(&mut self) {
        self.opaques.reached = None;
        self.opaques.changed = true;
        self.update_reachability();
    }

    /// The watched opaque LSAs of other routers that may be used.
    fn usable_opaques(&mut self) -> BTreeMap<LsaPlace, Bytes> {
        let mut usable = BTreeMap::new();
        if self.config.watched_opaque.is_empty() {
            return usable;
        }
        let reached = self.opaques.reached.take().unwrap_or_else(|| {
            let ours = self.areas();
            let areas = ours.into_iter().filter_map(|area| Some((area, self.databases.domain(Domain::Area(area))?)));
            reached(self.config.router_id, areas, self.now)
        });
        for (domain, lsdb) in self.databases.iter() {
            for entry in lsdb.of_type(domain.opaque_lsa_type()) {
                let key = entry.key();
                let LsaBody::Opaque(body) = entry.body() else { continue };
                let opaque_type = key.id.0.to_be_bytes()[0];
                if self.config.watched_opaque.contains(&opaque_type)
                    && key.advertising_router != self.config.router_id
                    && !entry.is_max_age(self.now)
                    && self.reaches(&reached, domain, key.advertising_router)
                {
                    usable.insert(LsaPlace { domain, key }, body.clone());
                }
            }
        }
        self.opaques.reached = Some(reached);
        usable
    }

    fn reaches(&self, reached: &Reached, domain: Domain, router: RouterId) -> bool {
        match domain {
            Domain::Link(id) => self.interfaces.get(&id).is_some_and(|interface| {
                let mut neighbors = interface.neighbors.values();
                neighbors.any(|neighbor| neighbor.router_id == router && neighbor.state >= NeighborState::TwoWay)
            }),
            Domain::Area(area) => reached.inside.contains(&(area, router)),
            // RFC 5250 §6: the originator is in one of our areas, or is an AS boundary router of another area.
            Domain::As => {
                reached.beyond.contains(&router) || reached.inside.iter().any(|&(_, inside)| inside == router)
            }
        }
    }
}

/// Pads a body to a multiple of 32 bits (RFC 5250 §A.2).
fn padded(body: Bytes) -> Bytes {
    let missing = body.len().next_multiple_of(4) - body.len();
    if missing == 0 {
        return body;
    }
    let mut padded = BytesMut::with_capacity(body.len() + missing);
    padded.extend_from_slice(&body);
    padded.resize(body.len() + missing, 0);
    padded.freeze()
}

//! The contents of our Summary-LSAs (RFC 2328 §12.4.3), and the other consequences of a calculation. [`crate::route`] selects the routes
//! that they advertise.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::ids::{AreaId, Domain, InterfaceId, LinkStateId, LsaKey, LsaPlace, LsaType, Prefix, RouterId};
use crate::route::{Border, SummaryMetrics};
use crate::state::engine::Engine;
use crate::wire::{LsaBody, Options, SummaryLsa};

impl Engine {
    /// Updates, after a calculation, the virtual links (§15) and the LSAs that this router originates as a border router.
    pub(crate) fn after_calculation(&mut self) {
        self.review_virtual_links();
        self.want_summaries();
        if self.has_nssa() {
            self.elect_translators();
            self.want_externals();
        }
    }

    /// The networks that Summary-LSAs advertise into an area by the present routes (§12.4, events 5 to 7), with their metrics. The
    /// Summary-LSAs for AS boundary routers are updated at once.
    pub(crate) fn summaries_of(&mut self, area: AreaId) -> BTreeMap<Prefix, u32> {
        let area_of: BTreeMap<InterfaceId, AreaId> =
            self.interfaces.iter().map(|(&id, interface)| (id, interface.config.area)).collect();
        let advertised = match self.border() {
            Border::Inside => SummaryMetrics::default(),
            Border::WithoutBackbone | Border::WithBackbone => {
                self.calculation.latest.summaries_into(area, &self.config, &area_of)
            }
        };
        // §12.4.3: "For Type 4 summary-LSAs, this field is not meaningful and must be zero."
        let routers = advertised.boundary_routers.into_iter();
        let routers = routers.map(|(router, metric)| (router, body(Ipv4Addr::UNSPECIFIED, metric))).collect();
        self.want_boundary_routers(area, self.config.area_options(area), routers);
        advertised.networks
    }

    fn want_boundary_routers(&mut self, area: AreaId, options: Options, routers: BTreeMap<RouterId, LsaBody>) {
        let domain = Domain::Area(area);
        let mut gone: BTreeSet<_> = self.originations.wanted_of(domain, LsaType::SUMMARY_ASBR).collect();
        for (router, body) in routers {
            let id = LinkStateId(router.0);
            let key = LsaKey { kind: LsaType::SUMMARY_ASBR, id, advertising_router: self.config.router_id };
            let place = LsaPlace { domain, key };
            gone.remove(&place);
            self.originations.want(place, options, body);
        }
        for place in gone {
            self.originations.withdraw(place);
        }
    }
}

/// The contents of a Summary-LSA.
pub(crate) fn body(network_mask: Ipv4Addr, metric: u32) -> LsaBody {
    LsaBody::Summary(SummaryLsa { network_mask, metric })
}

//! What our Summary-LSAs say (RFC 2328 §12.4.3), and what else follows from a calculation. Which routes they tell of is [`crate::route`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::ids::{AreaId, InterfaceId, LinkStateId, LsaKey, LsaType, RouterId};
use crate::route::Border;
use crate::wire::{LsaBody, Options, SummaryLsa};

impl Engine {
    /// Routes have been calculated: virtual links follow them (§15), and so does what this router says as a border router.
    pub(crate) fn after_calculation(&mut self) {
        self.review_virtual_links();
        self.want_summaries();
        if self.has_nssa() {
            self.elect_translators();
            self.want_externals();
        }
    }

    /// Has the Summary-LSAs of each area be those that the present routes ask for (§12.4, event 5 to 7).
    fn want_summaries(&mut self) {
        let is_border = self.border() != Border::Inside;
        let area_of: BTreeMap<InterfaceId, AreaId> =
            self.interfaces.iter().map(|(&id, interface)| (id, interface.config.area)).collect();
        for area in self.areas() {
            let told = match is_border {
                true => self.calculation.latest.told_to(area, &self.config, &area_of),
                false => Default::default(),
            };
            let options = self.config.area_options(area);
            let lsa = |network_mask, metric| LsaBody::Summary(SummaryLsa { network_mask, metric });
            let networks = told.networks.into_iter();
            let networks =
                networks.map(|(prefix, metric)| (prefix, (options, lsa(prefix.netmask(), metric)))).collect();
            // A network that has no Link State ID left is told of by its parts.
            self.want_networks_of(Domain::Area(area), LsaType::SUMMARY_NETWORK, networks);
            let routers = told.boundary_routers.into_iter();
            // §12.4.3: "For Type 4 summary-LSAs, this field is not meaningful and must be zero."
            let routers = routers.map(|(router, metric)| (router, lsa(Ipv4Addr::UNSPECIFIED, metric))).collect();
            self.want_boundary_routers(area, options, routers);
        }
    }

    fn want_boundary_routers(&mut self, area: AreaId, options: Options, routers: BTreeMap<RouterId, LsaBody>) {
        let domain = Domain::Area(area);
        let wanted = self.originations.wanted_of(LsaType::SUMMARY_ASBR);
        let mut gone: BTreeSet<_> = wanted.filter(|place| place.domain == domain).collect();
        for (router, body) in routers {
            let id = LinkStateId(router.0);
            let key = LsaKey { kind: LsaType::SUMMARY_ASBR, id, advertising_router: self.config.router_id };
            let place = LsaPlace { domain, key };
            gone.remove(&place);
            self.originations.want(place, options, body);
        }
        for place in gone {
            self.originations.unwant(place);
        }
    }
}

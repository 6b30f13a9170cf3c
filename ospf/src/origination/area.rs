//! Areas (RFC 2328 §6): the role of this router as an area border router, and the areas that accept LSAs of AS scope. No state is kept
//! here.

use std::collections::BTreeSet;

use crate::ids::{AreaId, LsaType};
use crate::route::Border;
use crate::state::engine::Engine;

impl Engine {
    /// Whether this router is an area border router (RFC 2328 §3.3), and if so, whether it has a neighbour in the backbone.
    ///
    /// Deviates: by RFC 2328, a router in two areas is an area border router even without a backbone interface, and it is a black hole for
    /// routers that use it as one. As in most implementations, it is one here only if the backbone is among its areas, and it uses the
    /// Summary-LSAs of all areas while it has no neighbour in the backbone (RFC 3509 §2.1, §2.2). A virtual link counts from the time when
    /// it is configured (IBM's definition in RFC 3509), because its far end may wait for our B-bit.
    pub(crate) fn border(&self) -> Border {
        let up = self.interfaces.values().filter(|interface| interface.link().is_some());
        let mut areas: BTreeSet<_> = up.map(|interface| interface.config.area).collect();
        areas.extend(self.config.loopbacks.keys());
        areas.extend(self.interfaces.values().filter(|interface| interface.is_virtual()).map(|_| AreaId::BACKBONE));
        if !areas.contains(&AreaId::BACKBONE) || areas.len() == 1 {
            return Border::Inside;
        }
        let mut backbone = self.interfaces.values().filter(|interface| interface.config.area == AreaId::BACKBONE);
        match backbone.any(|interface| interface.adjacent().next().is_some()) {
            true => Border::WithBackbone,
            false => Border::WithoutBackbone,
        }
    }

    /// Whether any of this router's areas accepts LSAs of AS scope.
    pub(crate) fn takes_as_scope(&self) -> bool {
        let kind = |area| self.config.area_kind(area).external_routing();
        self.areas().into_iter().any(|area| kind(area).lets_in(LsaType::AS_EXTERNAL))
    }
}

//! The contents of our AS-external-LSAs and Type-7 LSAs (RFC 2328 §12.4.4, RFC 3101 §2.4).

use std::net::Ipv4Addr;

use crate::config::{AreaKind, External, ExternalMetric, NssaConfig, Summaries};
use crate::ids::{AreaId, Prefix};
use crate::io::Addressing;
use crate::route::Border;
use crate::state::engine::Engine;
use crate::wire::{ExternalLsa, LsaBody, Options};

impl Engine {
    /// What our Type-7 LSAs of an area have in common; `None` if it is not an NSSA.
    pub(crate) fn type_7_terms(&self, area: AreaId) -> Option<Type7Terms> {
        let AreaKind::Nssa(nssa) = self.config.area_kind(area) else { return None };
        let default = match nssa {
            NssaConfig { summaries: Summaries::Imported, default_metric, .. } if self.border() != Border::Inside => {
                Some(*default_metric)
            }
            _ => None,
        };
        let (options, propagates) = (self.config.area_options(area), !self.takes_as_scope());
        Some(Type7Terms { options, propagates, inside: self.forwarding_address(area), default })
    }

    /// An address of this router in an NSSA: "one of the router's active OSPF interface addresses", preferably a loopback address, which
    /// exists whatever the state of the interfaces (RFC 3101 §2.3).
    fn forwarding_address(&self, area: AreaId) -> Option<Ipv4Addr> {
        let loopback = self.config.loopbacks.get(&area).and_then(|addresses| addresses.first().copied());
        let links = self.interfaces.values().filter(|interface| interface.config.area == area);
        let mut numbered = links.filter_map(|interface| match interface.link()?.addressing {
            Addressing::Numbered { address, .. } => Some(address),
            Addressing::Unnumbered(_) => None,
        });
        loopback.or_else(|| numbered.next())
    }
}

/// The contents of an AS-external-LSA or a Type-7 LSA.
pub(crate) fn body(prefix: Prefix, external: &External) -> LsaBody {
    LsaBody::External(ExternalLsa {
        network_mask: prefix.netmask(),
        metric: external.metric,
        forwarding_address: external.forwarding.unwrap_or(Ipv4Addr::UNSPECIFIED),
        route_tag: external.tag,
    })
}

/// What our Type-7 LSAs of an area have in common.
#[derive(Debug)]
pub(crate) struct Type7Terms {
    options: Options,
    /// RFC 3101 §2.4: "the P-bit must be clear" if we also originate an AS-external-LSA for the destination.
    propagates: bool,
    /// The forwarding address for destinations that have none of their own.
    inside: Option<Ipv4Addr>,
    /// RFC 3101 §2.7: the metric of the default route of a border router, which must not be translated.
    default: Option<ExternalMetric>,
}

impl Type7Terms {
    /// The Type-7 LSA for a destination; `configured` is its configuration, if there is one.
    pub(crate) fn wish(&self, prefix: Prefix, configured: Option<&External>) -> Option<(Options, LsaBody)> {
        if let Some(external) = configured {
            let forwarding = external.forwarding.or(self.inside.filter(|_| self.propagates));
            let external = External { forwarding, ..*external };
            // "If the P-bit is set the forwarding address must be non-zero".
            let propagated = self.propagates && forwarding.is_some();
            let options = if propagated { self.options.with(Options::NP) } else { self.options };
            return Some((options, body(prefix, &external)));
        }
        let metric = self.default.filter(|_| prefix == Prefix::DEFAULT)?;
        Some((self.options, body(prefix, &External { metric, forwarding: None, tag: 0 })))
    }
}

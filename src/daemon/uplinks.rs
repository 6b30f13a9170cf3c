//! Formats the addresses on uplinks for display.

use crate::control::view;
use crate::net::Prefix;
use crate::reconcile::state::{CAPTURE_TABLE, Observed, RouteKey};
use crate::reconcile::uplinks::{MAX_ADDRESSES, Uplinks, Way};

/// Returns for each address where answers from it go, while a default route of another site is in use.
pub(super) fn shown(observed: &Observed, uplinks: &Uplinks) -> Vec<view::Uplink> {
    if !observed.state.routes.contains_key(&RouteKey { table: CAPTURE_TABLE, prefix: Prefix::DEFAULT_V4 }) {
        return Vec::new();
    }
    let shown = observed.foreign.uplinks.iter().map(|(address, uplink)| {
        let way = uplinks.ways.get(address);
        view::Uplink {
            address: *address,
            interface: uplink.interface.to_string(),
            gateway: uplink.gateway,
            answers: if way.is_some() { view::AnswersBy::Uplink } else { view::AnswersBy::Mesh },
            table: way.and_then(|way| match way {
                Way::AsOthersSay => None,
                Way::Table(table) => Some(*table),
            }),
        }
    });
    shown.collect()
}

/// Describes addresses beyond the limit as a problem.
pub(super) fn problem(uplinks: &Uplinks) -> Option<String> {
    (uplinks.left_out > 0).then(|| {
        format!(
            "{} addresses of uplinks answer by the default route of another site: {MAX_ADDRESSES} are all that have a rule of their own",
            uplinks.left_out
        )
    })
}

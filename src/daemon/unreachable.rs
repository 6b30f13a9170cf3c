//! Reports routers that have been unreachable for long, but whose LSAs and claims are still in effect: the LSAs take up room until MaxAge,
//! and hosts of segments stay where these routers claimed them last. No router flushes LSAs of another (RFC 2328 §14.1).
//!
//! That a site is unreachable is reported elsewhere.

use std::time::Duration;

use ospf::{Limit, LimitState, LimitView, RouterId, UnreachableView};

use super::segments::Segments;

/// How long a router must be unreachable to be reported: links flap.
const LONG: Duration = Duration::from_secs(5 * 60);

/// The part of a limit that the router's LSAs must take to be reported, in percent.
const SHARE: usize = 5;

/// The most lines that are reported; of the others, the number is given. Routers with the most LSAs come first.
const MAX_LINES: usize = 10;

/// Problems for the operator. `name` returns the name of a router; `rests_on` returns the hosts whose location depends only on a claim of a
/// router, each as segment, host and site.
pub(super) fn problems(
    unreachable: &[UnreachableView],
    limits: &[LimitView],
    name: impl Fn(RouterId) -> String,
    rests_on: impl Fn(RouterId) -> Vec<(String, String, String)>,
) -> Vec<String> {
    let mut unreachable: Vec<&UnreachableView> = unreachable.iter().collect();
    unreachable.sort_by_key(|view| std::cmp::Reverse(view.lsas));
    let mut lines = Vec::new();
    for view in unreachable {
        let (who, minutes) = (name(view.router_id), view.unreachable_for.as_secs() / 60);
        if let Some(limit) = limits.iter().find(|limit| matters(view, limit)) {
            let counted = counted(view, limit.limit);
            let unit = if limit.limit == Limit::LsdbOctets { "octets of LSAs" } else { "LSAs" };
            let (limit_name, most) = (named(limit.limit), limit.most);
            let gone_in = view.gone_in.as_secs().div_ceil(60);
            lines.push(format!(
                "{counted} {unit} of {who}, unreachable for {minutes} min, count against {limit_name} ({most}); they end at MaxAge within \
                 {gone_in} min: `weft show lsdb --router {}` shows them, find out who originates them",
                view.router_id
            ));
        }
        if view.unreachable_for < LONG {
            continue;
        }
        for (segment, host, site) in rests_on(view.router_id) {
            lines.push(format!(
                "{segment}: {host} is at {site} by the word of {who} alone, unreachable for {minutes} min: if it is elsewhere, \
                 `weft move {host} SITE` says so"
            ));
        }
    }
    if let Some(more) = lines.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
        lines.truncate(MAX_LINES);
        lines.push(format!("{more} more lines about LSAs and claims of routers that are unreachable"));
    }
    lines
}

/// Returns the hosts whose location depends only on a claim of this router, each as segment, host and site.
pub(super) fn rests_on(segments: &Segments, router: RouterId) -> Vec<(String, String, String)> {
    let mut hosts = Vec::new();
    for segment in segments.iter() {
        for record in segment.locations.records().filter(|record| RouterId::from(record.author.0) == router) {
            if !segment.locations.is_announced(record) {
                let site = segments.site_name(record.claim.location);
                hosts.push((segment.l2.name.clone(), segment.called(record.claim.mac), site));
            }
        }
    }
    hosts
}

/// Whether the router's LSAs take a large part of a limit, and the router has been unreachable for long or LSAs are refused because of
/// the limit now.
fn matters(view: &UnreachableView, limit: &LimitView) -> bool {
    let is_large = counted(view, limit.limit).saturating_mul(100) >= limit.most.saturating_mul(SHARE);
    let is_felt = view.unreachable_for >= LONG || limit.state != LimitState::Free;
    !matches!(limit.limit, Limit::Routes | Limit::RouterLinks(_)) && view.lsas > 0 && is_large && is_felt
}

/// How much of a limit the router's LSAs take, in the limit's unit.
fn counted(view: &UnreachableView, limit: Limit) -> usize {
    match limit {
        Limit::Lsas => view.lsas,
        Limit::LsasOfArea(area) => view.lsas_of_area.get(&area).copied().unwrap_or_default(),
        Limit::LsdbOctets => view.octets,
        Limit::Routes | Limit::RouterLinks(_) => 0,
    }
}

fn named(limit: Limit) -> String {
    match limit {
        Limit::Lsas => "max_lsas".to_owned(),
        Limit::LsasOfArea(area) => format!("max_lsas_per_area of area {area}"),
        Limit::LsdbOctets => "max_lsdb_octets".to_owned(),
        Limit::Routes => "max_routes".to_owned(),
        Limit::RouterLinks(area) => format!("the Router-LSA of area {area}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use ospf::AreaId;

    use super::*;

    fn router(last: u8) -> RouterId {
        RouterId::from(Ipv4Addr::new(10, 9, 9, last))
    }

    fn view(last: u8, minutes: u64, lsas: usize) -> UnreachableView {
        UnreachableView {
            router_id: router(last),
            unreachable_for: Duration::from_secs(minutes * 60),
            lsas,
            octets: 40 * lsas,
            lsas_of_area: BTreeMap::from([(AreaId::BACKBONE, lsas)]),
            gone_in: Duration::from_secs(20 * 60 - 1),
        }
    }

    fn limits(state: LimitState) -> [LimitView; 2] {
        let limit = |limit, most| LimitView { limit, most, present: 0, state };
        [limit(Limit::Lsas, 200_000), limit(Limit::LsasOfArea(AreaId::BACKBONE), 40_000)]
    }

    fn lines(views: &[UnreachableView], state: LimitState) -> Vec<String> {
        problems(views, &limits(state), |router| router.to_string(), |_| Vec::new())
    }

    #[test]
    fn lsas_of_a_router_that_is_gone_for_long_are_named_if_they_are_a_share_of_a_limit() {
        assert_eq!(
            lines(&[view(9, 40, 12_000)], LimitState::Free),
            [
                "12000 LSAs of 10.9.9.9, unreachable for 40 min, count against max_lsas (200000); they end at MaxAge within 20 min: \
              `weft show lsdb --router 10.9.9.9` shows them, find out who originates them"
            ]
        );
        let [of_area] = &lines(&[view(9, 40, 2_000)], LimitState::Free)[..] else { panic!("one line") };
        assert!(of_area.contains("count against max_lsas_per_area of area 0.0.0.0 (40000)"), "{of_area}");
        assert_eq!(lines(&[view(9, 40, 1_999)], LimitState::Free), [""; 0], "few");
        assert_eq!(lines(&[view(9, 4, 12_000)], LimitState::Free), [""; 0], "a link flaps");
        assert_eq!(
            lines(&[view(9, 4, 12_000)], LimitState::Reached).len(),
            1,
            "others' LSAs are refused because of them"
        );
    }

    #[test]
    fn hosts_that_are_where_a_router_said_last_are_named_once_it_is_gone_for_long() {
        let rests_on = |_| vec![("vms".to_owned(), "db1".to_owned(), "seoul".to_owned())];
        let lines = |minutes| {
            let (views, limits) = ([view(9, minutes, 3)], limits(LimitState::Free));
            problems(&views, &limits, |_| "osaka".to_owned(), rests_on)
        };
        assert_eq!(lines(4), [""; 0]);
        assert_eq!(
            lines(5),
            [
                "vms: db1 is at seoul by the word of osaka alone, unreachable for 5 min: if it is elsewhere, `weft move db1 SITE` says so"
            ]
        );
    }

    #[test]
    fn not_more_lines_than_can_be_read() {
        let views: Vec<UnreachableView> = (0..30).map(|last| view(last, 40, 10_000 + usize::from(last))).collect();
        let lines = lines(&views, LimitState::Free);
        assert_eq!(lines.len(), MAX_LINES + 1);
        assert!(lines[0].starts_with("10029 LSAs of 10.9.9.29"), "{}", lines[0]);
        assert_eq!(lines[MAX_LINES], "20 more lines about LSAs and claims of routers that are unreachable");
    }
}

//! Reports claims of other routers about hosts that this one refuses, as problems with a remedy.

use std::collections::BTreeMap;

use vxlan::{Mac, Refusal, Vtep};

use super::{Segment, Segments};

/// The most lines about one segment; of the others, the number is given.
const MAX_LINES: usize = 10;

impl Segments {
    /// Returns a line for each router and reason. A line stays as long as the router announces the refused claim.
    pub(super) fn refusals(&self, segment: &Segment) -> Vec<String> {
        let mut refused: BTreeMap<(Vtep, Refusal), (Mac, usize)> = BTreeMap::new();
        for (author, claim, reason) in segment.locations.refused(&segment.l2.segment) {
            refused.entry((author, reason)).or_insert((claim.mac, 0)).1 += 1;
        }
        let name = &segment.l2.name;
        let who = |router: Vtep| match self.sites.get(&router.0) {
            Some(site) => format!("{site} ({router})"),
            None => router.to_string(),
        };
        let unreadable = segment.unreadable.iter().map(|(author, error)| {
            format!("{name}: the claims of {} are refused: {error}: does it run another version?", who(*author))
        });
        let refused = refused.into_iter().map(|((author, reason), (mac, claims))| {
            let host = segment.called(mac);
            let more = match claims - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let site = self.site_name(author);
            let remedy = match reason {
                Refusal::Sequence | Refusal::Epoch => format!(
                    "`weft forget {host}` at {site} withdraws it, `weft move {host} SITE --force` says at all sites where the host is"
                ),
                Refusal::ForeignAuthor => format!("`weft show lsdb --router {author}` shows its LSAs"),
                _ => format!("compare the mesh file of {site} with this one"),
            };
            format!("{name}: a claim of {} about {host}{more} is refused: {reason}: {remedy}", who(author))
        });
        let mut lines: Vec<String> = unreadable.chain(refused).collect();
        if let Some(more) = lines.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            lines.truncate(MAX_LINES);
            lines.push(format!("{name}: claims are refused for {more} more reasons: see the log"));
        }
        lines
    }
}

//! Reads `[[site.virtual_link]]`: a link of the backbone through another area.

use ::ospf::{AreaId, RouterId};

use super::auth::AuthKeys;
use super::diagnostic::{Diagnostic, Span, quoted};
use super::ospf::{TimerKeys, area};
use super::reader::{At, Entry, Report, Setting, Table};

const ROUTER_ID: &str = "router_id = \"10.255.0.7\"";

/// A `[[site.virtual_link]]` as read from the file.
#[derive(Debug)]
pub(super) struct VirtualLinkDraft<'a> {
    /// The position of its header.
    pub span: Span,
    /// The transit area.
    pub area: Setting<AreaId>,
    /// The border router at the other end; `None` if it is wrong or missing.
    pub far_end: Option<FarEnd<'a>>,
    pub timers: TimerKeys,
    pub auth: AuthKeys,
}

/// The border router at the other end, as the file names it.
#[derive(Debug, Clone, Copy)]
pub(super) enum FarEnd<'a> {
    Router(At<RouterId>),
    Site(At<&'a str>),
}

impl FarEnd<'_> {
    pub fn span(&self) -> Span {
        match self {
            Self::Router(router) => router.span,
            Self::Site(site) => site.span,
        }
    }
}

impl<'a> VirtualLinkDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let span = table.span;
        let transit = Setting::read(table.require("area", "area = \"0.0.0.1\"", report), |entry| area(&entry, report));
        let (router_id, site) = (table.take("router_id"), table.take("site"));
        let far_end = match (router_id, site) {
            (Some(entry), None) => router_id_of(&entry, report).map(FarEnd::Router),
            (None, Some(entry)) => entry.string("site = \"osaka\"", report).map(FarEnd::Site),
            (Some(entry), Some(other)) => {
                report.push(
                    Diagnostic::error(other.key_span, "a virtual link with two other ends", "the other end again")
                        .note(entry.key_span, "the other end")
                        .help("write `site`, or `router_id` for a router that is no site"),
                );
                None
            }
            (None, None) => {
                report.push(
                    Diagnostic::error(span, "a virtual link without another end", "`site` is missing below this line")
                        .help(format!("add `site = \"osaka\"`, or `{ROUTER_ID}` for a router that is no site"))
                        .of_absence(),
                );
                None
            }
        };
        let timers = TimerKeys::read(&mut table, report);
        let auth = AuthKeys::read(&mut table, report);
        table.finish(report);
        Self { span, area: transit, far_end, timers, auth }
    }
}

/// Reads a Router ID as a dotted quad: any 32 bits except zero.
fn router_id_of(entry: &Entry<'_>, report: &mut Report) -> Option<At<RouterId>> {
    let text = entry.string(ROUTER_ID, report)?;
    let id = text.value.parse().ok().filter(|id| *id != RouterId(0));
    if id.is_none() {
        report.push(
            Diagnostic::error(text.span, format!("{} is not a router id", quoted(text.value)), "not a dotted quad")
                .help(format!("write `{ROUTER_ID}`")),
        );
    }
    Some(At { value: id?, span: text.span })
}

//! Reads `default_originate` of a `[[site]]`: a default route that the site advertises to all others.

use ::ospf::External;

use super::Unlisted;
use super::diagnostic::{Diagnostic, Span};
use super::general::General;
use super::reader::{At, Entry, Report, Setting};
use super::redistribution::{METRICS, MetricType, tag};
use super::schema::DEFAULT_ORIGINATE;
use super::site::SiteDraft;

const EXAMPLE: &str = "default_originate = { when = \"if-present\", metric = 10, type = 1 }";

/// The default of `metric`, as in most implementations.
const DEFAULT_METRIC: u32 = 10;

/// A default route that a site originates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultOriginate {
    /// The condition for its origination.
    pub when: When,
    /// Its external metric, forwarding address and tag.
    pub external: External,
}

/// When a default route is originated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always, whatever routes the kernel has.
    Always,
    /// While the kernel has a default route that weft did not install.
    IfPresent,
}

const WORDS: [(&str, When); 2] = [("always", When::Always), ("if-present", When::IfPresent)];

/// Reads the value of `default_originate`; `None` if something in it is wrong.
pub(super) fn default_originate(entry: &Entry<'_>, report: &mut Report) -> Option<At<DefaultOriginate>> {
    let span = entry.span;
    if !entry.value.is_table() {
        let when = entry.word(&WORDS, report)?.value;
        let external = External { metric: MetricType::Two.metric(DEFAULT_METRIC), forwarding: None, tag: 0 };
        return Some(At { value: DefaultOriginate { when, external }, span });
    }
    let mut table = entry.inline(&DEFAULT_ORIGINATE, EXAMPLE, report)?;
    let when = table.require("when", "when = \"if-present\"", report).and_then(|entry| entry.word(&WORDS, report));
    let metric =
        Setting::read(table.take("metric"), |entry| entry.number(METRICS, "an external metric has 24 bits", report));
    let kind = MetricType::read(table.take("type"), report);
    let tag = Setting::read(table.take("tag"), |entry| tag(&entry, report));
    table.finish(report);
    let metric = kind.effective(MetricType::Two)?.value.metric(metric.effective(DEFAULT_METRIC)?.value);
    let external = External { metric, forwarding: None, tag: tag.effective(0)?.value };
    Some(At { value: DefaultOriginate { when: when?.value, external }, span })
}

/// Reports default routes that other sites would refuse: a listed prefix is accepted only from the sites that list it.
pub(super) fn check(general: &General<'_>, sites: &[SiteDraft<'_>], report: &mut Report) {
    let listed = |site: &SiteDraft<'_>| -> Option<Span> {
        let default = site.prefixes.iter().find(|listed| listed.network.value.is_default());
        default.map(|listed| listed.network.span)
    };
    let first = sites.iter().find_map(listed);
    for site in sites.iter().filter(|site| listed(site).is_none()) {
        let Some(At { span, .. }) = site.default_originate.given() else { continue };
        let title = format!("other sites would refuse the default route of site {}", site.called());
        let help = "add \"0.0.0.0/0\" to the `prefixes` of this site, or leave `default_originate` out";
        match (first, general.unlisted()) {
            (Some(elsewhere), _) => report.push(
                Diagnostic::error(*span, title, "0.0.0.0/0 is listed, and not at this site")
                    .note(elsewhere, "accepted from the sites that list it")
                    .help(help),
            ),
            (None, Some(Unlisted::Refuse)) => report.push(
                Diagnostic::error(*span, title, "`unlisted = \"refuse\"`, and no site lists 0.0.0.0/0").help(help),
            ),
            (None, _) => {}
        }
    }
}

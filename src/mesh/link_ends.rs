//! Reads the settings of a `[[link]]` for each of its ends: the site's endpoint for this tunnel alone, and the tunnel's port there.

use super::address::{WrittenEndpoint, endpoint};
use super::diagnostic::{Diagnostic, quoted};
use super::reader::{At, Entry, Report, Setting};

const ENDPOINT: &str = "endpoint = { taipei = \"198.51.100.1\" }";
const PORT: &str = "port = { taipei = 51900 }";

/// The settings of both ends, by the names of the sites.
#[derive(Debug, Default)]
pub(super) struct LinkEnds<'a> {
    endpoints: Vec<(At<&'a str>, Setting<WrittenEndpoint>)>,
    ports: Vec<(At<&'a str>, Setting<u16>)>,
}

impl<'a> LinkEnds<'a> {
    /// Reads `endpoint` and `port` of a link; `between` holds its two sites, if they are known.
    pub fn read(
        endpoints: Option<Entry<'a>>,
        ports: Option<Entry<'a>>,
        between: Option<[At<&'a str>; 2]>,
        report: &mut Report,
    ) -> Self {
        Self {
            endpoints: of_ends(
                endpoints,
                ENDPOINT,
                between,
                |entry, report| endpoint(&entry, ENDPOINT, report),
                report,
            ),
            ports: of_ends(ports, PORT, between, port, report),
        }
    }

    /// The endpoint to which the other end sends to reach the site of this name.
    pub fn endpoint(&self, site: Option<&str>) -> &Setting<WrittenEndpoint> {
        find(&self.endpoints, site).unwrap_or(&Setting::Absent)
    }

    /// The UDP port on which the site of this name listens.
    pub fn port(&self, site: Option<&str>) -> &Setting<u16> {
        find(&self.ports, site).unwrap_or(&Setting::Absent)
    }

    /// All valid endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &At<WrittenEndpoint>> {
        self.endpoints.iter().filter_map(|(_, endpoint)| endpoint.given())
    }
}

fn find<'s, T>(settings: &'s [(At<&str>, Setting<T>)], site: Option<&str>) -> Option<&'s Setting<T>> {
    settings.iter().find(|(name, _)| Some(name.value) == site).map(|(_, setting)| setting)
}

/// Reads the port of a tunnel at a site.
fn port(entry: Entry<'_>, report: &mut Report) -> Option<At<u16>> {
    if entry.value.as_integer().is_none() {
        report.push(entry.wrong_type("an integer", PORT));
        return None;
    }
    entry.number(1..=u16::MAX, "the UDP port that this tunnel alone has at that site", report)
}

/// Applies `read` to the entries of a table in braces whose keys are the two sites; other keys are reported.
fn of_ends<'a, T>(
    entry: Option<Entry<'a>>,
    example: &str,
    between: Option<[At<&'a str>; 2]>,
    read: impl Fn(Entry<'a>, &mut Report) -> Option<At<T>>,
    report: &mut Report,
) -> Vec<(At<&'a str>, Setting<T>)> {
    let entries = entry.and_then(|entry| entry.by_name(example, report)).unwrap_or_default();
    let mut settings = Vec::new();
    for (name, entry) in entries {
        if between.is_none_or(|ends| ends.iter().any(|end| end.value == name.value)) {
            settings.push((name, Setting::read(Some(entry), |entry| read(entry, report))));
        } else if let Some([one, other]) = between {
            let title = format!("site {} is not an end of this link", quoted(name.value));
            report.push(
                Diagnostic::error(name.span, title, "one of the two sites is named here")
                    .note(one.span, "the one")
                    .note(other.span, "the other")
                    .help(format!("write {} or {}", quoted(one.value), quoted(other.value))),
            );
        }
    }
    settings
}

//! The lines of a trace as data types.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ospf::{Config, Input, Instant, InterfaceId, Output, Prefix, Route, octets};
use serde::{Deserialize, Serialize};

/// The format that this program writes; it reads this and earlier formats. Since format 2, packets have a TTL; since format 3, there are
/// [`Input::Clear`] and [`Input::Withdraw`]; since format 4, there is [`Input::Path`].
pub const FORMAT: u32 = 4;

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Line<'a> {
    /// The first line.
    Start(Start),
    /// An input of the engine.
    Input {
        /// Time of the engine, in nanoseconds.
        at: u64,
        /// The input itself; secrets are replaced.
        what: Input<'a>,
    },
    /// An output of the engine, caused by the last input.
    Output(Outcome),
    /// The last line, if the trace ended before the engine did.
    End(End),
}

/// The values with which the engine was created, at its time zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The format of the trace, at most [`FORMAT`].
    pub format: u32,
    /// The version of weft that wrote it.
    pub version: String,
    /// Name of the mesh.
    pub mesh: String,
    /// Name of the site.
    pub site: String,
    /// The engine's seed.
    pub seed: u64,
    /// The engine's configuration; secrets are replaced.
    pub config: Config,
}

/// An [`Output`] as it is stored in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A packet was sent ([`Output::Send`]).
    Send {
        /// The interface to send from.
        interface: InterfaceId,
        /// Destination address.
        destination: Ipv4Addr,
        /// IP TTL.
        ttl: u8,
        /// The OSPF packet.
        #[serde(with = "octets")]
        packet: Vec<u8>,
    },
    /// A route has changed ([`Output::Route`]).
    Route {
        /// Destination.
        prefix: Prefix,
        /// The new route; `None`: there is none any more.
        route: Option<Route>,
    },
    /// An opaque LSA has changed ([`Output::Opaque`]); the LSA in the form in which it is logged.
    Opaque {
        /// The LSA.
        lsa: String,
        /// Contents; `None`: the LSA is gone.
        #[serde(default, with = "octets::optional")]
        body: Option<Bytes>,
    },
    /// Something has happened ([`Output::Event`]), in the form in which it is logged.
    Event(String),
}

/// Why a trace ended before the engine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It reached its size limit.
    Limit,
}

impl Outcome {
    /// Converts an output; `signed` signs its packet again. `None` for alternates, which follow from the routes and are not recorded.
    pub(super) fn of(output: &Output, signed: impl FnOnce(InterfaceId, &[u8]) -> Vec<u8>) -> Option<Self> {
        Some(match output {
            Output::Protection { .. } => return None,
            Output::Send { interface, destination, ttl, delivery: _, packet } => Self::Send {
                interface: *interface,
                destination: *destination,
                ttl: *ttl,
                packet: signed(*interface, packet),
            },
            Output::Route { prefix, route } => Self::Route { prefix: *prefix, route: route.clone() },
            Output::Opaque { domain, key, body } => {
                Self::Opaque { lsa: format!("{domain:?} {key}"), body: body.clone() }
            }
            Output::Event(event) => Self::Event(format!("{event:?}")),
        })
    }
}

/// Nanoseconds since the engine's time zero; the range is 584 years.
pub(super) fn nanos(at: Instant) -> u64 {
    u64::try_from(at.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// The time that is `nanos` nanoseconds after the engine's time zero.
pub(super) fn instant(nanos: u64) -> Instant {
    Instant::new(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_it_was_after_it_was_written_and_read() {
        let what = Input::Packet {
            interface: InterfaceId(3),
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 5),
            ttl: 255,
            payload: vec![2, 1].into(),
        };
        let line = Line::Input { at: 1_500_000_000, what };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            "{\"input\":{\"at\":1500000000,\"what\":{\"packet\":{\"interface\":3,\"source\":\"10.0.0.1\",\
             \"destination\":\"224.0.0.5\",\"ttl\":255,\"payload\":\"0201\"}}}}"
        );
        assert_eq!(serde_json::from_str::<Line<'_>>(&text).unwrap(), line);
    }

    /// Traces of other versions have to be readable, and others have to read those of this one.
    #[test]
    fn every_input_is_written_as_it_always_was() {
        let inputs = [
            r#"{"packet":{"interface":3,"source":"10.0.0.1","destination":"224.0.0.5","ttl":255,"payload":"02a5"}}"#,
            r#"{"link":{"interface":3,"state":"Down"}}"#,
            r#"{"link":{"interface":3,"state":{"Up":{"index":7,"mtu":1420,"addressing":{"Unnumbered":"10.255.0.1"}}}}}"#,
            r#"{"opaque":{"scope":{"Area":"0.0.0.1"},"opaque_type":201,"opaque_id":100,"body":"0001"}}"#,
            r#"{"opaque":{"scope":{"Link":3},"opaque_type":201,"opaque_id":100,"body":""}}"#,
            r#"{"opaque":{"scope":"As","opaque_type":201,"opaque_id":100,"body":null}}"#,
            r#"{"clear":{"interface":3,"router_id":null}}"#,
            r#"{"clear":{"interface":null,"router_id":"0.0.0.7"}}"#,
            r#""tick""#,
            r#"{"prepare-restart":{"grace_period":{"secs":120,"nanos":0},"reason":"SoftwareRestart"}}"#,
            r#"{"prepare-restart":{"grace_period":{"secs":120,"nanos":5},"reason":{"Other":9}}}"#,
            r#""withdraw""#,
            r#""shutdown""#,
        ];
        for input in inputs {
            let text = format!(r#"{{"input":{{"at":7,"what":{input}}}}}"#);
            let line: Line<'_> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
        }
    }

    #[test]
    fn what_earlier_formats_do_not_have_is_read_as_it_was_meant() {
        let read = |input: &str| {
            serde_json::from_str::<Line<'_>>(&format!(r#"{{"input":{{"at":7,"what":{input}}}}}"#)).unwrap()
        };
        let packet = |ttl| {
            let packet =
                r#"{"packet":{"interface":3,"source":"10.0.0.1","destination":"224.0.0.5",TTL"payload":"02"}}"#;
            packet.replace("TTL", ttl)
        };
        assert_eq!(read(&packet("")), read(&packet("\"ttl\":1,")));
        let opaque = r#"{"opaque":{"scope":"As","opaque_type":201,"opaque_id":100BODY}}"#;
        assert_eq!(read(&opaque.replace("BODY", "")), read(&opaque.replace("BODY", ",\"body\":null")));
    }
}

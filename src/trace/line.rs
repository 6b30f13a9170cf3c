//! The lines of a trace as data types.

use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::wire::RestartReason;
use ospf::{Config, Domain, Input, Instant, InterfaceId, LinkState, Output, Prefix, Route, RouterId};
use serde::{Deserialize, Serialize};

/// The format that this program writes; it reads this and earlier formats.
pub const FORMAT: u32 = 3;

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Line {
    /// The first line.
    Start(Start),
    /// An input of the engine.
    Input {
        /// Time of the engine, in nanoseconds.
        at: u64,
        /// The input itself.
        what: Happening,
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

/// An [`Input`] as it is stored in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Happening {
    /// [`Input::Packet`].
    Packet {
        /// The interface that it arrived on.
        interface: InterfaceId,
        /// Source address.
        source: Ipv4Addr,
        /// Destination address.
        destination: Ipv4Addr,
        /// IP TTL. Traces of format 1 do not have it: the engines that wrote them did not check it.
        #[serde(default = "link_ttl")]
        ttl: u8,
        /// The OSPF packet.
        payload: Octets,
    },
    /// [`Input::Link`].
    Link {
        /// The interface.
        interface: InterfaceId,
        /// Its state.
        state: LinkState,
    },
    /// [`Input::Configure`].
    Configure(Config),
    /// [`Input::Opaque`].
    Opaque {
        /// Flooding scope.
        scope: Domain,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID.
        opaque_id: u32,
        /// Contents; `None`: the LSA is withdrawn.
        body: Option<Octets>,
    },
    /// [`Input::Clear`]; since format 3.
    Clear {
        /// Neighbours on this interface; `None`: on all.
        interface: Option<InterfaceId>,
        /// The neighbour with this router id; `None`: all.
        router_id: Option<RouterId>,
    },
    /// [`Input::Tick`].
    Tick,
    /// [`Input::PrepareRestart`].
    PrepareRestart {
        /// Grace period.
        grace_period: Duration,
        /// Reason for the restart.
        reason: RestartReason,
    },
    /// [`Input::Withdraw`]; since format 3.
    Withdraw,
    /// [`Input::Shutdown`].
    Shutdown,
}

/// An [`Output`] as it is stored in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// [`Output::Send`].
    Send {
        /// The interface to send from.
        interface: InterfaceId,
        /// Destination address.
        destination: Ipv4Addr,
        /// IP TTL.
        ttl: u8,
        /// The OSPF packet.
        packet: Octets,
    },
    /// [`Output::Route`].
    Route {
        /// Destination.
        prefix: Prefix,
        /// The new route; `None`: there is none any more.
        route: Option<Route>,
    },
    /// [`Output::Opaque`]; the LSA in the form in which it is logged.
    Opaque {
        /// The LSA.
        lsa: String,
        /// Contents; `None`: the LSA is gone.
        body: Option<Octets>,
    },
    /// [`Output::Event`], in the form in which it is logged.
    Event(String),
}

/// Why a trace ended before the engine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It reached its size limit.
    Limit,
}

impl Happening {
    /// Converts an input, with its secrets replaced by `redact`.
    pub(super) fn of(input: &Input<'_>, redact: &super::recorder::Redactor) -> Self {
        match input {
            Input::Packet { interface, source, destination, ttl, payload } => Self::Packet {
                interface: *interface,
                source: *source,
                destination: *destination,
                ttl: *ttl,
                payload: Octets(redact.packet(payload, *source)),
            },
            Input::Link { interface, state } => Self::Link { interface: *interface, state: state.clone() },
            Input::Configure(config) => Self::Configure(redact.config(config)),
            Input::Opaque { scope, opaque_type, opaque_id, body } => {
                let body = body.as_ref().map(|body| Octets(body.to_vec()));
                Self::Opaque { scope: *scope, opaque_type: *opaque_type, opaque_id: *opaque_id, body }
            }
            Input::Clear { interface, router_id } => Self::Clear { interface: *interface, router_id: *router_id },
            Input::Tick => Self::Tick,
            Input::PrepareRestart { grace_period, reason } => {
                Self::PrepareRestart { grace_period: *grace_period, reason: *reason }
            }
            Input::Withdraw => Self::Withdraw,
            Input::Shutdown => Self::Shutdown,
        }
    }

    /// Converts it back to an input of the engine.
    pub fn input(&self) -> Input<'_> {
        match self {
            Self::Packet { interface, source, destination, ttl, payload } => Input::Packet {
                interface: *interface,
                source: *source,
                destination: *destination,
                ttl: *ttl,
                payload: &payload.0,
            },
            Self::Link { interface, state } => Input::Link { interface: *interface, state: state.clone() },
            Self::Configure(config) => Input::Configure(config.clone()),
            Self::Opaque { scope, opaque_type, opaque_id, body } => {
                let body = body.as_ref().map(|octets| octets.0.clone().into());
                Input::Opaque { scope: *scope, opaque_type: *opaque_type, opaque_id: *opaque_id, body }
            }
            Self::Clear { interface, router_id } => Input::Clear { interface: *interface, router_id: *router_id },
            Self::Tick => Input::Tick,
            Self::PrepareRestart { grace_period, reason } => {
                Input::PrepareRestart { grace_period: *grace_period, reason: *reason }
            }
            Self::Withdraw => Input::Withdraw,
            Self::Shutdown => Input::Shutdown,
        }
    }
}

impl Outcome {
    /// Converts an output; `signed` signs its packet again.
    pub(super) fn of(output: &Output, signed: impl FnOnce(InterfaceId, &[u8]) -> Vec<u8>) -> Self {
        match output {
            Output::Send { interface, destination, ttl, delivery: _, packet } => Self::Send {
                interface: *interface,
                destination: *destination,
                ttl: *ttl,
                packet: Octets(signed(*interface, packet)),
            },
            Output::Route { prefix, route } => Self::Route { prefix: *prefix, route: route.clone() },
            Output::Opaque { domain, key, body } => {
                let body = body.as_ref().map(|body| Octets(body.to_vec()));
                Self::Opaque { lsa: format!("{domain:?} {key}"), body }
            }
            Output::Event(event) => Self::Event(format!("{event:?}")),
        }
    }
}

/// The TTL of packets that are not forwarded.
fn link_ttl() -> u8 {
    1
}

/// Nanoseconds since the engine's time zero; the range is 584 years.
pub(super) fn nanos(at: Instant) -> u64 {
    u64::try_from(at.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// The time so many nanoseconds after the engine's time zero.
pub(super) fn instant(nanos: u64) -> Instant {
    Instant::new(Duration::from_nanos(nanos))
}

/// Octets, written as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Octets(pub Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
        let digits: String = self.0.iter().flat_map(|octet| [digit(octet >> 4), digit(*octet)]).collect();
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let digits = String::deserialize(deserializer)?;
        let value =
            |digit: u8| char::from(digit).to_digit(16).ok_or_else(|| D::Error::custom("not a hexadecimal digit"));
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(D::Error::custom("half an octet"));
        }
        let octets = pairs.iter().map(|[high, low]| Ok((value(*high)? << 4 | value(*low)?) as u8));
        octets.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use ospf::AreaId;

    use super::*;

    #[test]
    fn octets_are_written_as_digits_and_half_an_octet_is_refused() {
        assert_eq!(serde_json::to_string(&Octets(vec![0, 0xa5, 255])).unwrap(), "\"00a5ff\"");
        assert_eq!(serde_json::from_str::<Octets>("\"00a5fF\"").unwrap(), Octets(vec![0, 0xa5, 255]));
        for text in ["\"0\"", "\"0g\"", "\"é\"", "7"] {
            assert!(serde_json::from_str::<Octets>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_is_what_it_was_after_it_was_written_and_read() {
        let payload = Octets(vec![2, 1]);
        let what = Happening::Packet {
            interface: InterfaceId(3),
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 5),
            ttl: 255,
            payload,
        };
        let line = Line::Input { at: 1_500_000_000, what };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            "{\"input\":{\"at\":1500000000,\"what\":{\"packet\":{\"interface\":3,\"source\":\"10.0.0.1\",\
             \"destination\":\"224.0.0.5\",\"ttl\":255,\"payload\":\"0201\"}}}}"
        );
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
    #[test]
    fn a_flooding_scope_is_written_as_by_versions_that_had_a_type_of_its_own_for_it() {
        let scopes = [
            (Domain::Link(InterfaceId(3)), r#"{"Link":3}"#),
            (Domain::Area(AreaId(1)), r#"{"Area":"0.0.0.1"}"#),
            (Domain::As, r#""As""#),
        ];
        for (scope, written) in scopes {
            let what = Happening::Opaque { scope, opaque_type: 201, opaque_id: 100, body: Some(Octets(vec![0, 1])) };
            let line = Line::Input { at: 7, what };
            let text = format!(
                r#"{{"input":{{"at":7,"what":{{"opaque":{{"scope":{written},"opaque_type":201,"opaque_id":100,"body":"0001"}}}}}}}}"#
            );
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }
}

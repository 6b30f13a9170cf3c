//! One line of a trace, as data.

use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::wire::RestartReason;
use ospf::{Config, Input, Instant, InterfaceId, LinkState, OpaqueScope, Output, Prefix, Route, RouterId};
use serde::{Deserialize, Serialize};

/// The format that this program writes; it reads those up to it.
pub const FORMAT: u32 = 3;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Line {
    /// The first.
    Start(Start),
    /// Something went in.
    Input {
        /// When, in nanoseconds of the engine's time.
        at: u64,
        /// What.
        what: Happening,
    },
    /// Something came out, because of the last input.
    Output(Outcome),
    /// Nothing follows though the engine went on.
    End(End),
}

/// What the engine was made with, at its time zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of weft that wrote it.
    pub version: String,
    /// Of this mesh.
    pub mesh: String,
    /// At this site.
    pub site: String,
    /// The engine's seed.
    pub seed: u64,
    /// The engine's configuration, with stand-ins for secrets.
    pub config: Config,
}

/// An [`Input`] that can be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Happening {
    /// [`Input::Packet`].
    Packet {
        /// Where.
        interface: InterfaceId,
        /// From.
        source: Ipv4Addr,
        /// To.
        destination: Ipv4Addr,
        /// IP TTL; traces of format 1 do not have it, and no engine that wrote one looked at it.
        #[serde(default = "link_ttl")]
        ttl: u8,
        /// What.
        payload: Octets,
    },
    /// [`Input::Link`].
    Link {
        /// Which.
        interface: InterfaceId,
        /// Its state.
        state: LinkState,
    },
    /// [`Input::Configure`].
    Configure(Config),
    /// [`Input::Opaque`].
    Opaque {
        /// How far.
        scope: OpaqueScope,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID.
        opaque_id: u32,
        /// What.
        body: Option<Octets>,
    },
    /// [`Input::Clear`]; from format 3 on.
    Clear {
        /// On this interface; `None`: on all.
        interface: Option<InterfaceId>,
        /// With this router; `None`: with all.
        router_id: Option<RouterId>,
    },
    /// [`Input::Tick`].
    Tick,
    /// [`Input::PrepareRestart`].
    PrepareRestart {
        /// For how long.
        grace_period: Duration,
        /// Why.
        reason: RestartReason,
    },
    /// [`Input::Withdraw`]; from format 3 on.
    Withdraw,
    /// [`Input::Shutdown`].
    Shutdown,
}

/// An [`Output`] that can be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// [`Output::Send`].
    Send {
        /// Where.
        interface: InterfaceId,
        /// To.
        destination: Ipv4Addr,
        /// IP TTL.
        ttl: u8,
        /// What.
        packet: Octets,
    },
    /// [`Output::Route`].
    Route {
        /// To.
        prefix: Prefix,
        /// How.
        route: Option<Route>,
    },
    /// [`Output::Opaque`], the LSA in the form in which it is logged.
    Opaque {
        /// Which.
        lsa: String,
        /// What.
        body: Option<Octets>,
    },
    /// [`Output::Event`], in the form in which it is logged.
    Event(String),
}

/// Why a trace ends before the engine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It had become as large as it may.
    Limit,
}

impl Happening {
    /// `input` with what `redact` makes of its secrets.
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

    /// As the engine takes it.
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
    /// `output`, its packet as `signed` has it.
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

/// The TTL of packets that stay on a link.
fn link_ttl() -> u8 {
    1
}

/// Nanoseconds since the engine's time zero; 584 years fit.
pub(super) fn nanos(at: Instant) -> u64 {
    u64::try_from(at.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// The instant so many nanoseconds after the engine's time zero.
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
}

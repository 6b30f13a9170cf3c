//! Serialization of the engine's inputs for traces: identifiers are written as text, secrets are never written.
//!
//! Fields that are missing from an older trace have the values that [`Config::new`] gives.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::config::{
    Config, InterfaceConfig, Key, KeyChain, KeyChainError, NetworkType, Origin, Secret, SequenceCheck,
};
use crate::ids::{AreaId, LinkStateId, Prefix, RouterId};
use crate::octets;

/// The default values of the fields of [`Config`].
pub(crate) fn blank_router() -> Config {
    Config::new(RouterId(0))
}

/// The default values of the fields of [`InterfaceConfig`].
pub(crate) fn blank_interface() -> InterfaceConfig {
    InterfaceConfig::new("", AreaId::BACKBONE, NetworkType::PointToPoint)
}

/// The TTL of received packets in traces that do not have it, 1 as in RFC 2328 §A.1: the engines that wrote them did not check it.
pub(crate) fn link_ttl() -> u8 {
    1
}

/// The fields of a [`KeyChain`] before validation.
#[derive(serde::Deserialize)]
pub(crate) struct KeyChainFields {
    keys: Vec<Key>,
    sequence: SequenceCheck,
}

impl TryFrom<KeyChainFields> for KeyChain {
    type Error = KeyChainError;

    fn try_from(fields: KeyChainFields) -> Result<Self, KeyChainError> {
        Self::new(fields.keys, fields.sequence)
    }
}

/// A visitor that parses a value from text.
struct Text<T>(PhantomData<T>);

impl<T> Visitor<'_> for Text<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier in text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    )*};
}

as_text!(RouterId, AreaId, LinkStateId, Prefix);

/// Writes a stand-in as hexadecimal digits. To write a secret is an error: it has to be replaced first ([`crate::Redaction`]).
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.origin() {
            Origin::Operator => Err(S::Error::custom("a secret is not written down")),
            Origin::StandIn => octets::serialize(self.expose(), serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        octets::deserialize(deserializer).map(Self::stand_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authentication;

    #[test]
    fn a_configuration_is_what_it_was_after_it_was_written_and_read() {
        let mut config = blank_router();
        config.router_id = RouterId(7);
        config.areas.entry(AreaId(1)).or_default().ranges.insert(Prefix::DEFAULT, Default::default());
        let interface = InterfaceConfig {
            authentication: Authentication::Simple(Secret::stand_in(vec![0, 255])),
            ..blank_interface()
        };
        config.interfaces.insert(crate::ids::InterfaceId(3), interface);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
        assert!(text.contains("\"0.0.0.7\"") && text.contains("\"0.0.0.0/0\"") && text.contains("\"00ff\""), "{text}");
    }

    #[test]
    fn fields_that_an_older_trace_does_not_have_are_at_their_defaults() {
        let config: Config = serde_json::from_str("{\"router_id\": \"0.0.0.7\"}").unwrap();
        assert_eq!(config, Config::new(RouterId(7)));
    }

    #[test]
    fn a_secret_is_never_written() {
        assert!(serde_json::to_string(&Secret::new(b"sesame".to_vec())).is_err());
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for text in ["\"10.0.0.1/8\"", "\"10.0.0.0\"", "\"10.0.0.0/33\"", "7"] {
            assert!(serde_json::from_str::<Prefix>(text).is_err(), "{text}");
        }
    }
}

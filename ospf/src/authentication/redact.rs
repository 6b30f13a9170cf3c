//! Traces without secrets: every secret is replaced by a stand-in, and packets are signed again with the stand-in.
//!
//! An engine that gets the stand-ins and these packets accepts, refuses and sends the same as the traced one: a packet is verified
//! successfully if and only if the original was.

use std::net::Ipv4Addr;

use super::digest::{Construction, Digest};
use super::sign::padded;
use super::{EXTENDED_SEQUENCE_LEN, au_type};
use crate::config::{Authentication, Config, Key, KeyAlgorithm, KeyChain, KeyId, Lifetime, Secret, SequenceCheck};
use crate::wire::Envelope;

/// The 64 bits of authentication in the packet header (RFC 2328 §A.3.1).
const AUTHENTICATION: std::ops::Range<usize> = 16..24;

/// Creates stand-ins for secrets. The same secret always gets the same stand-in, which reveals nothing about it without the salt.
#[derive(Clone)]
pub struct Redaction {
    salt: Key,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction")
    }
}

impl Redaction {
    /// Creates a redaction. `salt` must be random, and must not be stored.
    pub fn new(salt: [u8; 32]) -> Self {
        let secret = Secret::new(salt.to_vec());
        let (send, accept) = (Lifetime::ALWAYS, Lifetime::ALWAYS);
        Self { salt: Key { id: KeyId(0), algorithm: KeyAlgorithm::HmacSha256, secret, send, accept } }
    }

    /// Returns the configuration with stand-ins for its secrets.
    pub fn config(&self, config: &Config) -> Config {
        let mut config = config.clone();
        for interface in config.interfaces.values_mut() {
            interface.authentication = self.authentication(&interface.authentication);
        }
        config
    }

    /// Returns a packet, received from or sent from the IP address `source`, as it would be if the secrets of `config` were their
    /// stand-ins. If no secret of `config` signed the packet, all traces of the secret that did are removed.
    pub fn packet(&self, config: &Config, packet: &[u8], source: Ipv4Addr) -> Vec<u8> {
        let mut redacted = packet.to_vec();
        let Ok(envelope) = Envelope::open(packet) else {
            // Such a packet is refused before any field is used, but the field may contain a password.
            redacted.get_mut(AUTHENTICATION).into_iter().for_each(|field| field.fill(0));
            return redacted;
        };
        if envelope.au_type == au_type(&Authentication::Null) {
            return redacted;
        }
        let kinds = config.interfaces.values().map(|interface| &interface.authentication);
        let signed = kinds.filter(|kind| au_type(kind) == envelope.au_type).find_map(|kind| match kind {
            Authentication::Null => None,
            Authentication::Simple(password) => (padded(password.expose()) == envelope.authentication)
                .then(|| (AUTHENTICATION, padded(self.secret(password).expose()).to_vec())),
            Authentication::Cryptographic(chain) => self.digest(chain, &envelope, source),
        });
        match signed {
            Some((place, octets)) => redacted[place].copy_from_slice(&octets),
            None if envelope.au_type == 1 => redacted[AUTHENTICATION].fill(0),
            // No key of ours made the digest: nothing is kept of one made with another key.
            None => redacted[envelope.length..].fill(0),
        }
        redacted
    }

    /// The range of the digest, and its value with the stand-in; `None` if no key of the chain made it.
    fn digest(
        &self,
        chain: &KeyChain,
        envelope: &Envelope<'_>,
        source: Ipv4Addr,
    ) -> Option<(std::ops::Range<usize>, Vec<u8>)> {
        let field = envelope.authentication;
        let (id, signed, construction) = match chain.sequence() {
            SequenceCheck::NotSmaller | SequenceCheck::Strict => (field[2], envelope.length, Construction::Plain),
            SequenceCheck::Extended => {
                (field[7], envelope.length + EXTENDED_SEQUENCE_LEN, Construction::FromSource(source))
            }
        };
        let key = chain.keys().iter().find(|key| key.id == KeyId(id))?;
        let place = signed..signed + key.algorithm.digest_len();
        let (message, received) = (envelope.bytes.get(..signed)?, envelope.bytes.get(place.clone())?);
        if !Digest::compute(key, construction, message).is(received) {
            return None;
        }
        let digest = Digest::compute(&self.key(key), construction, message);
        Some((place, digest.as_slice().to_vec()))
    }

    fn authentication(&self, authentication: &Authentication) -> Authentication {
        match authentication {
            Authentication::Null => Authentication::Null,
            Authentication::Simple(password) => Authentication::Simple(self.secret(password)),
            Authentication::Cryptographic(chain) => {
                let keys = chain.keys().iter().map(|key| self.key(key)).collect();
                let chain = KeyChain::new(keys, chain.sequence()).expect("a chain stays valid with other secrets");
                Authentication::Cryptographic(chain)
            }
        }
    }

    fn key(&self, key: &Key) -> Key {
        Key { secret: self.secret(&key.secret), ..key.clone() }
    }

    fn secret(&self, secret: &Secret) -> Secret {
        let stand_in = Digest::compute(&self.salt, Construction::Plain, secret.expose());
        Secret::stand_in(stand_in.as_slice().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::authentication::{Sequences, sign, verify};
    use crate::config::{InterfaceConfig, NetworkType};
    use crate::ids::{AreaId, InterfaceId, RouterId};
    use crate::time::Instant;
    use crate::wire::{Authentication as Unsigned, Packet, PacketBody};

    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

    fn kinds(secret: &[u8]) -> Vec<Authentication> {
        let secret = Secret::new(secret.to_vec());
        let key = |algorithm| Key {
            id: KeyId(7),
            algorithm,
            secret: secret.clone(),
            send: Lifetime::ALWAYS,
            accept: Lifetime::ALWAYS,
        };
        let chain =
            |algorithm, sequence| Authentication::Cryptographic(KeyChain::new(vec![key(algorithm)], sequence).unwrap());
        vec![
            Authentication::Simple(secret.clone()),
            chain(KeyAlgorithm::Md5, SequenceCheck::NotSmaller),
            chain(KeyAlgorithm::HmacSha1, SequenceCheck::Strict),
            chain(KeyAlgorithm::HmacSha256, SequenceCheck::Extended),
            chain(KeyAlgorithm::HmacSha512, SequenceCheck::NotSmaller),
        ]
    }

    fn config(authentication: &Authentication) -> Config {
        let interface = InterfaceConfig {
            authentication: authentication.clone(),
            ..InterfaceConfig::new("lan", AreaId::BACKBONE, NetworkType::PointToPoint)
        };
        let mut config = Config::new(RouterId(1));
        config.interfaces.insert(InterfaceId(1), interface);
        config
    }

    fn signed(authentication: &Authentication) -> Bytes {
        let body = PacketBody::LinkStateAck(Vec::new());
        let packet = Packet { router_id: RouterId(9), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
        sign(authentication, packet.encode().unwrap(), SOURCE, &mut Sequences::default(), 5, Instant::ZERO).packet
    }

    fn judged(config: &Config, packet: &[u8]) -> Result<super::super::Sequence, crate::refusal::Refusal> {
        let authentication = &config.interfaces[&InterfaceId(1)].authentication;
        verify(authentication, &Envelope::open(packet).unwrap(), SOURCE, Instant::ZERO)
    }

    fn contains(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn with_stand_ins_every_packet_is_judged_as_it_was_and_carries_nothing_of_a_secret() {
        let redaction = Redaction::new([3; 32]);
        for (right, wrong) in kinds(b"password").iter().zip(&kinds(b"elsewise")) {
            let config = config(right);
            let redacted = redaction.config(&config);
            for sender in [right, wrong] {
                let packet = signed(sender);
                let other = redaction.packet(&config, &packet, SOURCE);
                assert_eq!(other.len(), packet.len());
                assert_eq!(judged(&redacted, &other), judged(&config, &packet), "{right:?}");
                assert!(!contains(&other, b"password") && !contains(&other, b"elsewise"), "{right:?}");
                if !matches!(sender, Authentication::Simple(_)) {
                    let digest = &packet[packet.len() - 8..];
                    assert!(!contains(&other, digest), "{right:?}: a digest allows guessing the password");
                }
            }
        }
    }

    #[test]
    fn a_password_is_not_kept_where_none_is_expected_nor_in_what_is_no_packet() {
        let redaction = Redaction::new([3; 32]);
        let config = config(&Authentication::Null);
        let packet = signed(&kinds(b"password")[0]);
        assert!(!contains(&redaction.packet(&config, &packet, SOURCE), b"password"));
        assert!(!contains(&redaction.packet(&config, &packet[..packet.len() - 1], SOURCE), b"password"));
        assert_eq!(redaction.packet(&config, &packet[..3], SOURCE), packet[..3]);
    }

    #[test]
    fn stand_ins_differ_where_secrets_do_and_from_trace_to_trace() {
        let secret = |redaction: &Redaction, text: &[u8]| redaction.secret(&Secret::new(text.to_vec()));
        let (one, other) = (Redaction::new([3; 32]), Redaction::new([4; 32]));
        assert_eq!(secret(&one, b"a"), secret(&one, b"a"));
        assert_ne!(secret(&one, b"a"), secret(&one, b"b"));
        assert_ne!(secret(&one, b"a"), secret(&other, b"a"));
    }
}

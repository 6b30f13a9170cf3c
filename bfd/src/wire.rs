//! The control packet (RFC 5880 §4.1), without its authentication section, which is `authentication`'s.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Version of the protocol (§4.1: Vers).
const VERSION: u8 = 1;
/// Octets of the mandatory section.
pub(crate) const MANDATORY: usize = 24;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION_PRESENT: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// State of a session (§4.1: Sta).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Held down by the operator. It is no sign of a failure (RFC 5882 §3.2).
    AdminDown,
    /// Nothing is received from the peer, or it has just begun.
    Down,
    /// Packets are received from the peer, which does not receive ours yet.
    Init,
    /// Packets pass in both directions.
    Up,
}

impl State {
    fn number(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    /// The state with these two bits.
    fn of_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// The reason of the last change to Down or AdminDown (§4.1: Diag), 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing has happened yet.
    pub const NONE: Self = Self(0);
    /// Nothing was received for the detection time.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// The peer has said that the session is down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// The interface, or the path that is known by other means, is down.
    pub const PATH_DOWN: Self = Self(5);
    /// The operator holds the session down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The value on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }
}

/// The names of §4.1.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            code => return write!(f, "diagnostic {code}"),
        };
        f.write_str(name)
    }
}

/// The bits Poll and Final, of which a packet has at most one (§6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollSequence {
    /// Neither.
    Neither,
    /// The sender asks whether its parameters have arrived.
    Poll,
    /// The answer to a Poll.
    Final,
}

/// The mandatory section of a control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session was last down.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// Poll or Final.
    pub sequence: PollSequence,
    /// Whether the sender's BFD goes on when its control plane ends (C).
    pub control_plane_independent: bool,
    /// Whether the sender does without periodic packets while both ends are Up (D).
    pub demand: bool,
    /// Detect Mult: the receiver declares the session down after so many intervals.
    pub multiplier: u8,
    /// Identifies the session at the sender.
    pub my_discriminator: NonZeroU32,
    /// What the sender has received as My Discriminator; 0 if nothing.
    pub your_discriminator: u32,
    /// Desired Min TX Interval: the sender would like to send this often.
    pub desired_min_tx: Micros,
    /// Required Min RX Interval: the sender can receive this often; 0 = it wants no periodic packets.
    pub required_min_rx: Micros,
    /// Required Min Echo RX Interval; 0 = it does not loop echo packets.
    pub required_min_echo_rx: Micros,
}

/// An interval on the wire, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u32);

impl Micros {
    /// The interval in whole microseconds; longer ones than the wire has room for become the longest.
    pub fn of(interval: Duration) -> Self {
        Self(u32::try_from(interval.as_micros()).unwrap_or(u32::MAX))
    }

    /// The interval as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_micros(self.0.into())
    }
}

/// Why octets are no control packet that may be looked at any further (§6.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformation {
    /// Fewer octets than the mandatory section, or than an authentication section needs.
    #[error("too short")]
    TooShort,
    /// Length says that there are more octets than there are.
    #[error("Length exceeds the payload")]
    Length,
    /// Another version of BFD.
    #[error("another version")]
    Version,
    /// Detect Mult is 0.
    #[error("Detect Mult is 0")]
    Multiplier,
    /// The Multipoint bit is set.
    #[error("Multipoint is set")]
    Multipoint,
    /// My Discriminator is 0.
    #[error("My Discriminator is 0")]
    MyDiscriminator,
    /// Your Discriminator is 0, and the state is neither Down nor AdminDown.
    #[error("Your Discriminator is 0 in state Init or Up")]
    YourDiscriminator,
    /// Poll and Final are both set.
    #[error("Poll and Final are both set")]
    PollAndFinal,
}

impl ControlPacket {
    /// Decodes the payload of a UDP datagram, in the order of §6.8.6. Returns the packet, and its octets up to Length if it has an
    /// authentication section.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) fn decode(octets: &[u8]) -> Result<(Self, Option<&[u8]>), Malformation> {
        let &[first, second, multiplier, length, ref rest @ ..] = octets else { return Err(Malformation::TooShort) };
        if first >> 5 != VERSION {
            return Err(Malformation::Version);
        }
        let authenticated = second & AUTHENTICATION_PRESENT != 0;
        if usize::from(length) < MANDATORY + if authenticated { 2 } else { 0 } {
            return Err(Malformation::TooShort);
        }
        let whole = octets.get(..length.into()).ok_or(Malformation::Length)?;
        let (fields, []) = rest[..MANDATORY - 4].as_chunks() else { unreachable!("twenty octets are five words") };
        let mut fields = fields.iter().map(|word| u32::from_be_bytes(*word));
        let mut field = || fields.next().unwrap_or_default();
        if multiplier == 0 {
            return Err(Malformation::Multiplier);
        }
        if second & MULTIPOINT != 0 {
            return Err(Malformation::Multipoint);
        }
        let my_discriminator = NonZeroU32::new(field()).ok_or(Malformation::MyDiscriminator)?;
        let (your_discriminator, state) = (field(), State::of_bits(second >> 6));
        if your_discriminator == 0 && matches!(state, State::Init | State::Up) {
            return Err(Malformation::YourDiscriminator);
        }
        let sequence = match (second & POLL != 0, second & FINAL != 0) {
            (false, false) => PollSequence::Neither,
            (true, false) => PollSequence::Poll,
            (false, true) => PollSequence::Final,
            (true, true) => return Err(Malformation::PollAndFinal),
        };
        let packet = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state,
            sequence,
            control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: Micros(field()),
            required_min_rx: Micros(field()),
            required_min_echo_rx: Micros(field()),
        };
        Ok((packet, authenticated.then_some(whole)))
    }

    /// Encodes the mandatory section of a packet with an authentication section of this many octets, 0 for none.
    pub(crate) fn encode(&self, authentication: u8) -> Vec<u8> {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let sequence = match self.sequence {
            PollSequence::Neither => 0,
            PollSequence::Poll => POLL,
            PollSequence::Final => FINAL,
        };
        let length = MANDATORY as u8 + authentication;
        let mut octets = Vec::with_capacity(length.into());
        octets.extend([
            VERSION << 5 | self.diagnostic.0,
            self.state.number() << 6
                | sequence
                | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
                | flag(authentication > 0, AUTHENTICATION_PRESENT)
                | flag(self.demand, DEMAND),
            self.multiplier,
            length,
        ]);
        let fields = [
            self.my_discriminator.get(),
            self.your_discriminator,
            self.desired_min_tx.0,
            self.required_min_rx.0,
            self.required_min_echo_rx.0,
        ];
        octets.extend(fields.into_iter().flat_map(u32::to_be_bytes));
        debug_assert_eq!(octets.len(), MANDATORY);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up, Poll, C, 3 × 50 ms, written by hand from RFC 5880 §4.1.
    const PACKET: [u8; 24] =
        [0x20, 0xe8, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xc3, 0x50, 0, 0, 0x27, 0x10, 0, 0, 0, 0];

    fn packet() -> ControlPacket {
        ControlPacket {
            diagnostic: Diagnostic::NONE,
            state: State::Up,
            sequence: PollSequence::Poll,
            control_plane_independent: true,
            demand: false,
            multiplier: 3,
            my_discriminator: NonZeroU32::MIN,
            your_discriminator: 2,
            desired_min_tx: Micros(50_000),
            required_min_rx: Micros(10_000),
            required_min_echo_rx: Micros(0),
        }
    }

    #[test]
    fn a_packet_is_its_octets() {
        assert_eq!(ControlPacket::decode(&PACKET), Ok((packet(), None)));
        assert_eq!(packet().encode(0), PACKET);
    }

    /// What is discarded before the session is looked up.
    #[test]
    fn corner_cases_3_8_and_14_what_is_malformed_is_discarded_with_its_reason() {
        let with = |place: usize, octet: u8| {
            let mut octets = PACKET;
            octets[place] = octet;
            ControlPacket::decode(&octets).map(|(packet, _)| packet)
        };
        for (place, octet, expected) in [
            (0, 0x00, Malformation::Version),
            (0, 0x40, Malformation::Version),
            (3, 23, Malformation::TooShort),
            (3, 0, Malformation::TooShort),
            (3, 25, Malformation::Length),
            (2, 0, Malformation::Multiplier),
            (1, 0xe9, Malformation::Multipoint),
            (7, 0, Malformation::MyDiscriminator),
            (11, 0, Malformation::YourDiscriminator),
            (1, 0xf8, Malformation::PollAndFinal),
            // An authentication section has two octets at least.
            (1, 0xec, Malformation::TooShort),
        ] {
            assert_eq!(with(place, octet), Err(expected), "octet {place} is {octet:#x}");
        }
        for length in 0..PACKET.len() {
            assert!(ControlPacket::decode(&PACKET[..length]).is_err(), "{length} octets");
        }
    }

    #[test]
    fn octets_beyond_length_are_ignored_and_an_unknown_diagnostic_survives() {
        let mut octets = PACKET.to_vec();
        octets[0] |= 31;
        octets.extend([1, 2, 3]);
        let (decoded, authentication) = ControlPacket::decode(&octets).unwrap();
        assert_eq!((decoded.diagnostic.code(), authentication), (31, None));
        assert_eq!(decoded.encode(0), octets[..24]);
        assert_eq!(decoded.diagnostic.to_string(), "diagnostic 31");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_decoded_is_encoded_to_the_same_octets(octets in proptest::collection::vec(0_u8.., 0..60)) {
            if let Ok((packet, None)) = ControlPacket::decode(&octets) {
                proptest::prop_assert_eq!(&packet.encode(0)[4..], &octets[4..24]);
                let encoded = packet.encode(0);
                proptest::prop_assert_eq!(ControlPacket::decode(&encoded), Ok((packet, None)));
            }
        }
    }
}

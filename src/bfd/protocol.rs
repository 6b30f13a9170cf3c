//! The control protocol of the BFD process: one JSON object per line over a Unix socket.
//!
//! ```text
//! → {"command":"configure","sessions":[{"interface":"wg-osaka","peer":"10.255.0.2","source":"10.255.0.1",
//!    "desired_min_tx_us":100000,"required_min_rx_us":100000,"multiplier":3}]}
//! ← {"result":"ok"}
//! → {"command":"list"}
//! ← {"result":"process","protocol":1,"version":"0.1.0","pid":4711,"sessions":[…]}
//! → {"command":"watch"}
//! ← {"result":"ok"}
//! ← {"result":"changed","interface":"wg-osaka","peer":"10.255.0.2","from":"Down","to":"Init","failed":false,…}
//! → {"command":"stop"}
//! (end of the stream, when the peers have had time to learn that this is no failure)
//! ```

use std::net::Ipv4Addr;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

/// Version of the protocol. It is raised when an older client and the process would misunderstand each other.
pub const PROTOCOL: u32 = 2;

/// The longest line, in octets: the sessions of ten thousand tunnels.
pub const MAX_LINE: usize = 4 << 20;

/// A command: one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// All sessions that there are to be. Those that are there already go on undisturbed; those that are not in it end with AdminDown.
    Configure {
        /// The sessions.
        sessions: Vec<SessionSpec>,
    },
    /// Asks for [`ProcessInfo`].
    List,
    /// Asks for every change of a session from now on, on this connection.
    Watch,
    /// Ends all sessions with AdminDown, then the process. The answer is the end of the stream.
    Stop,
}

/// A session that there is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// Name of the interface. It may be missing for now.
    pub interface: String,
    /// Address of the peer.
    pub peer: Ipv4Addr,
    /// Source address of our packets.
    pub source: Ipv4Addr,
    /// bfd.DesiredMinTxInterval while the session is Up, in microseconds.
    pub desired_min_tx_us: u32,
    /// bfd.RequiredMinRxInterval, in microseconds.
    pub required_min_rx_us: u32,
    /// bfd.DetectMult.
    pub multiplier: NonZeroU8,
    /// Whether this end sends nothing before it has received.
    #[serde(default)]
    pub passive: bool,
    /// Whether the session is held down.
    #[serde(default)]
    pub admin_down: bool,
    /// The key of both ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationSpec>,
}

/// The key of a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthenticationSpec {
    /// How it is used.
    pub kind: AuthenticationKind,
    /// Its number.
    pub key_id: u8,
    /// Its octets.
    pub key: Vec<u8>,
}

/// Does not show the key.
impl std::fmt::Debug for AuthenticationSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticationSpec")
            .field("kind", &self.kind)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// How packets are authenticated, by the names of the mesh file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticationKind {
    /// A password.
    Simple,
    /// Keyed MD5.
    Md5,
    /// Meticulous keyed MD5.
    MeticulousMd5,
    /// Keyed SHA-1.
    #[serde(rename = "sha-1")]
    Sha1,
    /// Meticulous keyed SHA-1.
    #[serde(rename = "meticulous-sha-1")]
    MeticulousSha1,
}

/// An answer, or a change that was asked for: one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Reply {
    /// The command was carried out.
    Ok,
    /// The command was refused, and nothing has changed.
    Error {
        /// Why, for a human.
        text: String,
    },
    /// The answer to [`Command::List`].
    Process(ProcessInfo),
    /// A session has another state.
    Changed(SessionChange),
}

/// The process and its sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Its release.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Why it has no real-time priority; `None` if it has.
    pub without_real_time: Option<String>,
    /// How often a deadline was met more than 10 ms late, because the processor was busy with something else.
    pub late: u64,
    /// The longest that it was late, in microseconds.
    pub latest_us: u64,
    /// No interval of a session is shorter at present, in milliseconds, because the processor was busy; 0 if nothing is late.
    pub shortest_ms: f64,
    /// The sessions, ordered by interface and peer.
    pub sessions: Vec<SessionInfo>,
}

/// The state of a session (RFC 5880 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// Held down by the operator.
    AdminDown,
    /// Packets do not pass, or none have been received yet.
    Down,
    /// The peer's packets arrive; whether ours do is not known yet.
    Init,
    /// Packets pass in both directions.
    Up,
}

impl From<::bfd::State> for SessionState {
    fn from(state: ::bfd::State) -> Self {
        match state {
            ::bfd::State::AdminDown => Self::AdminDown,
            ::bfd::State::Down => Self::Down,
            ::bfd::State::Init => Self::Init,
            ::bfd::State::Up => Self::Up,
        }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Name of the interface.
    pub interface: String,
    /// Address of the peer.
    pub peer: Ipv4Addr,
    /// Its state.
    pub state: SessionState,
    /// Whether it was Up before, and has failed since then: no operator has ended it.
    pub failed: bool,
    /// How long it has been in this state, in seconds.
    pub in_state_s: f64,
    /// Why it was last down.
    pub diagnostic: String,
    /// State in the last packet of the peer; `None` if nothing was received for a detection time.
    pub remote_state: Option<SessionState>,
    /// Why the peer's session was last down.
    pub remote_diagnostic: Option<String>,
    /// Whether the peer's BFD outlives its control plane, by its last packet, or by the last one before a failure.
    pub remote_independent: bool,
    /// My Discriminator and that of the peer, which is 0 if it is not known.
    pub discriminators: (u32, u32),
    /// The interval between our packets in milliseconds, before jitter; `None` if none are sent.
    pub transmit_interval_ms: Option<f64>,
    /// The detection time in milliseconds.
    pub detection_time_ms: Option<f64>,
    /// Time since the last packet was received, in seconds.
    pub received_ago_s: Option<f64>,
    /// Packets sent.
    pub sent: u64,
    /// Packets received and accepted.
    pub received: u64,
    /// Why its socket cannot be opened or does not send; `None` if it can.
    pub trouble: Option<String>,
}

/// A change of a session's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionChange {
    /// Name of the interface.
    pub interface: String,
    /// Address of the peer.
    pub peer: Ipv4Addr,
    /// The state before.
    pub from: SessionState,
    /// The state now.
    pub to: SessionState,
    /// Why it was last down.
    pub diagnostic: String,
    /// As in [`SessionInfo::failed`].
    pub failed: bool,
    /// As in [`SessionInfo::remote_independent`].
    pub remote_independent: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_the_documentation_shows() {
        let line = r#"{"command":"configure","sessions":[{"interface":"wg-osaka","peer":"10.255.0.2","source":"10.255.0.1","desired_min_tx_us":100000,"required_min_rx_us":100000,"multiplier":3}]}"#;
        let command: Command = serde_json::from_str(line).unwrap();
        let Command::Configure { sessions } = &command else { panic!("{command:?}") };
        assert_eq!((sessions[0].passive, sessions[0].multiplier.get()), (false, 3));
        assert_eq!(serde_json::to_string(&Command::Watch).unwrap(), r#"{"command":"watch"}"#);
        assert_eq!(serde_json::to_string(&Reply::Ok).unwrap(), r#"{"result":"ok"}"#);
        let kind = serde_json::to_string(&AuthenticationKind::MeticulousSha1).unwrap();
        assert_eq!(kind, r#""meticulous-sha-1""#);
    }

    #[test]
    fn keys_are_not_shown() {
        let spec = AuthenticationSpec { kind: AuthenticationKind::Md5, key_id: 1, key: vec![115, 101] };
        assert!(!format!("{spec:?}").contains("115"));
    }
}

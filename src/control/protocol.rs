//! What can be asked, and the envelope of an answer.

use serde::{Deserialize, Serialize};

/// Octets of the longest request line taken.
pub(super) const MAX_REQUEST: usize = 4096;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Everything at a glance: [`super::view::Status`].
    Status,
    /// All of one kind: an array of that view.
    Show {
        /// Of what kind.
        noun: Noun,
    },
    /// Lead traffic around this router, or not. Answered with `null`.
    StubRouter {
        /// From now to the end of the daemon, or until the next request.
        command: StubRouterCommand,
    },
    /// A host of a segment is at another site now. Answered with `null` when the others have been told.
    Move {
        /// Its name, MAC or IP address.
        host: String,
        /// Name of the site.
        site: String,
        /// Outbid whatever has been claimed of the host, also where it is at the site already. Older clients leave it out.
        #[serde(default)]
        force: bool,
    },
    /// Forget what this router claims and remembers of a host of a segment: [`super::view::Forgotten`].
    Forget {
        /// Its name, MAC or IP address.
        host: String,
    },
    /// What becomes of a frame to a host: an array of [`super::view::FrameTrace`].
    Trace {
        /// Its name, MAC or IP address.
        host: String,
    },
    /// Remove everything that weft made, stop the engine and end. Answered when it is done, with `null` or with an array of what cannot
    /// be undone, in sentences.
    Down,
}

/// `weft stub-router`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StubRouterCommand {
    /// A stub router, whatever the mesh file says.
    On,
    /// None, whatever the mesh file says.
    Off,
    /// What the mesh file says.
    File,
}

/// What `weft show` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noun {
    /// OSPF neighbours.
    Neighbors,
    /// Routes that OSPF computed.
    Routes,
    /// WireGuard tunnels.
    Tunnels,
    /// OSPF interfaces.
    Interfaces,
    /// The link state database.
    Lsdb,
    /// Areas.
    Areas,
    /// When routes are calculated; one.
    Spf,
    /// Guards of memory.
    Limits,
    /// Area border and AS boundary routers.
    BorderRouters,
    /// Ethernet segments.
    L2,
    /// Packets that were dropped where they enter or leave the mesh.
    Filters,
}

/// The line that answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// What was asked for.
    Ok(serde_json::Value),
    /// Why not.
    Error(String),
}

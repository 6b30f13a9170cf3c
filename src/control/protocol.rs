//! What can be asked, and the envelope of an answer.

use std::net::Ipv4Addr;

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
        /// Of LSAs, which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lsas: Option<LsaSelection>,
    },
    /// Read the mesh file again: [`super::view::Reloaded`], when the file is in force in the kernel, or why it is refused.
    Reload,
    /// Lead traffic around this router, or not. Answered with `null`.
    StubRouter {
        /// From now to the end of the daemon, or until the next request.
        command: StubRouterCommand,
    },
    /// End OSPF adjacencies, which then form again. Answered with how many.
    Clear {
        /// Those with this router alone: a site's name, a router id, its address or an interface. `None`: all.
        neighbor: Option<String>,
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

impl Request {
    /// A question about all of one kind.
    pub fn show(noun: Noun) -> Self {
        Self::Show { noun, lsas: None }
    }

    /// Whether it only asks. What is to be done may take its time, an answer may not.
    pub(super) fn only_asks(&self) -> bool {
        matches!(self, Self::Status | Self::Show { .. } | Self::Trace { .. })
    }
}

/// Which LSAs: those that are as all of this says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsaSelection {
    /// Of this area.
    pub area: Option<Ipv4Addr>,
    /// Of the types from the first to the last.
    pub types: Option<(u8, u8)>,
    /// Originated by this router.
    pub router: Option<Ipv4Addr>,
    /// With this Link State ID.
    pub id: Option<Ipv4Addr>,
    /// Originated by the router that is asked.
    pub own: bool,
}

/// What an LSA is selected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LsaTraits {
    /// Its area, if its scope is one.
    pub area: Option<Ipv4Addr>,
    /// LS type.
    pub ls_type: u8,
    /// Link State ID.
    pub id: Ipv4Addr,
    /// Who originated it.
    pub router: Ipv4Addr,
    /// Whether that is the router that is asked.
    pub own: bool,
}

impl LsaSelection {
    /// Whether such an LSA is among them.
    pub fn has(&self, lsa: LsaTraits) -> bool {
        self.area.is_none_or(|area| lsa.area == Some(area))
            && self.types.is_none_or(|(first, last)| (first..=last).contains(&lsa.ls_type))
            && self.router.is_none_or(|router| lsa.router == router)
            && self.id.is_none_or(|id| lsa.id == id)
            && (lsa.own || !self.own)
    }
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
pub(super) enum Reply<T> {
    /// What was asked for.
    Ok(T),
    /// Why not.
    Error(String),
}

/// What stands around JSON text that is [`Reply::Ok`].
pub(super) const OK: (&str, &str) = ("{\"ok\":", "}\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_parts_is_the_same_line_as_one_in_one_piece() {
        let whole = serde_json::to_string(&Reply::Ok([1, 2])).unwrap() + "\n";
        assert_eq!(whole, format!("{}[1,2]{}", OK.0, OK.1));
    }

    #[test]
    fn lsas_are_selected_by_all_that_is_asked_for() {
        let lsa = |ls_type: u8, area, router: u8| LsaTraits {
            area,
            ls_type,
            id: Ipv4Addr::new(10, 0, 0, ls_type),
            router: Ipv4Addr::new(10, 255, 0, router),
            own: router == 1,
        };
        let backbone = Some(Ipv4Addr::UNSPECIFIED);
        let lsas = [lsa(1, backbone, 1), lsa(1, backbone, 2), lsa(5, None, 2), lsa(10, backbone, 1), lsa(11, None, 2)];
        let all = LsaSelection::default();
        let found = |selection: LsaSelection| {
            let found = lsas.iter().filter(|lsa| selection.has(**lsa));
            found.map(|lsa| (lsa.ls_type, lsa.router.octets()[3])).collect::<Vec<_>>()
        };
        assert_eq!(found(all).len(), 5);
        assert_eq!(found(LsaSelection { area: backbone, ..all }), [(1, 1), (1, 2), (10, 1)]);
        assert_eq!(found(LsaSelection { types: Some((9, 11)), ..all }), [(10, 1), (11, 2)]);
        assert_eq!(found(LsaSelection { types: Some((5, 5)), ..all }), [(5, 2)]);
        assert_eq!(found(LsaSelection { own: true, types: Some((1, 1)), ..all }), [(1, 1)]);
        let router = Some(Ipv4Addr::new(10, 255, 0, 2));
        assert_eq!(found(LsaSelection { router, ..all }), [(1, 2), (5, 2), (11, 2)]);
        assert_eq!(found(LsaSelection { id: Some(Ipv4Addr::new(10, 0, 0, 10)), ..all }), [(10, 1)]);
    }
}

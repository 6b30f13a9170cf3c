//! The requests of the control socket, and the envelope of its answers.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mesh::MAX_FILE;

/// Octets of the longest request line that is accepted of any number of clients at once.
pub(super) const MAX_REQUEST: usize = 4096;

/// Octets of the longest request line that is accepted of one client at a time: a mesh file of [`MAX_FILE`] octets, of which JSON writes
/// line ends and quotation marks as two.
pub(super) const MAX_LONG_REQUEST: usize = 2 * MAX_FILE as usize;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The state of the daemon as a whole: [`super::view::Status`].
    Status,
    /// All items of one kind: an array of the view of that kind.
    Show {
        /// The kind of the items.
        noun: Noun,
        /// For [`Noun::Lsdb`]: the LSAs to show; `None` = all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lsas: Option<LsaSelection>,
    },
    /// Read the mesh file again. Answered with [`super::view::Reloaded`] when the kernel has the new state, or with the reason why the file
    /// is refused.
    Reload,
    /// Say what applying a mesh file would change, and change nothing. Answered with [`super::view::Plan`], or with the reason why the file
    /// would be refused.
    Plan {
        /// Name of the file, for messages.
        file: PathBuf,
        /// The file.
        text: String,
    },
    /// Advertise this router as a stub router (RFC 6987), or not. Answered with `null`.
    StubRouter {
        /// In force until the daemon ends, or until the next such request.
        command: StubRouterCommand,
    },
    /// End OSPF adjacencies, which then form again. Answered with their number.
    Clear {
        /// Only those with this neighbour: a site's name, a router id, an address or an interface. `None`: all.
        neighbor: Option<String>,
    },
    /// Set the location of a host of a segment to another site. Answered with `null` once this has been announced to the other sites.
    Move {
        /// Its name, MAC or IP address.
        host: String,
        /// Name of the site.
        site: String,
        /// Override whatever has been claimed of the host, even if it is at the site already. Older clients do not send this key.
        #[serde(default)]
        force: bool,
    },
    /// Forget what this router claims and remembers of a host of a segment. Answered with [`super::view::Forgotten`].
    Forget {
        /// Its name, MAC or IP address.
        host: String,
    },
    /// Find out what happens to a frame to a host. Answered with an array of [`super::view::FrameTrace`].
    Trace {
        /// Its name, MAC or IP address.
        host: String,
    },
    /// Remove everything that weft created, stop the engine and end the daemon. Answered when this is done, with `null`, or with an array
    /// of sentences that say what could not be undone.
    Down,
}

impl Request {
    /// A request for all items of one kind.
    pub fn show(noun: Noun) -> Self {
        Self::Show { noun, lsas: None }
    }

    /// Whether the request is a query, which changes nothing and has to be answered soon. A command may take longer.
    pub(super) fn only_asks(&self) -> bool {
        matches!(self, Self::Status | Self::Show { .. } | Self::Trace { .. })
    }
}

/// Selects LSAs: those that match all of these fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsaSelection {
    /// LSAs of this area; `None` = any, as in the other fields.
    pub area: Option<Ipv4Addr>,
    /// LSAs of these LS types, from the first to the last.
    pub types: Option<(u8, u8)>,
    /// LSAs that this router originated.
    pub router: Option<Ipv4Addr>,
    /// LSAs with this Link State ID.
    pub id: Option<Ipv4Addr>,
    /// Only LSAs that the router itself originated which gets the request.
    pub own: bool,
}

/// The properties by which an LSA is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LsaTraits {
    /// Its area, if it has area scope.
    pub area: Option<Ipv4Addr>,
    /// LS type.
    pub ls_type: u8,
    /// Link State ID.
    pub id: Ipv4Addr,
    /// Advertising Router.
    pub router: Ipv4Addr,
    /// Whether the router that gets the request originated it.
    pub own: bool,
}

impl LsaSelection {
    /// Whether an LSA with these properties is selected.
    pub fn has(&self, lsa: LsaTraits) -> bool {
        self.area.is_none_or(|area| lsa.area == Some(area))
            && self.types.is_none_or(|(first, last)| (first..=last).contains(&lsa.ls_type))
            && self.router.is_none_or(|router| lsa.router == router)
            && self.id.is_none_or(|id| lsa.id == id)
            && (lsa.own || !self.own)
    }
}

/// The argument of `weft stub-router`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StubRouterCommand {
    /// Be a stub router, whatever the mesh file says.
    On,
    /// Do not be a stub router, whatever the mesh file says.
    Off,
    /// Do what the mesh file says.
    File,
}

/// What `weft show` can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noun {
    /// OSPF neighbours.
    Neighbors,
    /// BFD sessions.
    Bfd,
    /// Routes that OSPF computed.
    Routes,
    /// How many destinations have alternates; a single item.
    Protection,
    /// WireGuard tunnels.
    Tunnels,
    /// OSPF interfaces.
    Interfaces,
    /// The link state database.
    Lsdb,
    /// Areas.
    Areas,
    /// The state of the route calculation; a single item.
    Spf,
    /// The limits that protect the memory.
    Limits,
    /// Area border and AS boundary routers.
    BorderRouters,
    /// Ethernet segments.
    L2,
    /// Packets that the filter has dropped where they enter or leave the mesh.
    Filters,
}

/// An answer: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply<T> {
    /// The result of the request.
    Ok(T),
    /// Why the request failed.
    Error(String),
}

/// The JSON text before and after a value that together make [`Reply::Ok`].
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

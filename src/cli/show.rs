//! `weft show NOUN`.

use std::net::Ipv4Addr;

use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Format, Outcome, RunDir};
use crate::control::view::{Lsa, Spf};
use crate::control::{Noun, Request, ask};
use crate::show;

/// All of one kind.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    run_dir: RunDir,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// OSPF neighbours: state, role, timers.
    Neighbors {
        /// All that is known of each.
        #[arg(long)]
        detail: bool,
    },
    /// Routes that OSPF computed, and what became of them.
    Routes,
    /// WireGuard tunnels.
    Tunnels,
    /// OSPF interfaces: state, cost, timers, and the packets refused.
    Interfaces {
        /// All that is known of each, counters among it.
        #[arg(long)]
        detail: bool,
    },
    /// The link state database, in words.
    Lsdb(Selection),
    /// Areas, and what is in their databases.
    Areas,
    /// Area border and AS boundary routers, and the way to each.
    BorderRouters,
    /// When routes are calculated, and how often they were.
    Spf,
    /// Guards of memory, and how near they are.
    Limits,
    /// Ethernet segments: ports, sites, and where each host is.
    L2,
    /// Packets dropped where they enter or leave the mesh: control packets from LANs, sources that may not come from there.
    Filters,
}

/// Which LSAs.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Selection {
    /// Those of this area.
    #[arg(long, value_name = "AREA")]
    area: Option<Ipv4Addr>,
    /// Those of this type: `router`, `network`, `summary`, `asbr-summary`, `external`, `nssa`, `opaque`, or its number.
    #[arg(long = "type", value_name = "TYPE", value_parser = ls_types)]
    kind: Option<Types>,
    /// Those that this router originates, by its router id.
    #[arg(long, value_name = "ROUTER", conflicts_with = "own")]
    router: Option<Ipv4Addr>,
    /// Those with this Link State ID.
    #[arg(long, value_name = "ID")]
    id: Option<Ipv4Addr>,
    /// Those that this site originates.
    #[arg(long = "self")]
    own: bool,
    /// A line each, without what they say.
    #[arg(long)]
    brief: bool,
}

/// First and last LS type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Types(u8, u8);

fn ls_types(text: &str) -> Result<Types, String> {
    let words = [
        ("router", Types(1, 1)),
        ("network", Types(2, 2)),
        ("summary", Types(3, 3)),
        ("asbr-summary", Types(4, 4)),
        ("external", Types(5, 5)),
        ("nssa", Types(7, 7)),
        ("opaque", Types(9, 11)),
        ("opaque-link", Types(9, 9)),
        ("opaque-area", Types(10, 10)),
        ("opaque-as", Types(11, 11)),
    ];
    let word = words.into_iter().find(|(word, _)| *word == text).map(|(_, types)| types);
    let number = text.parse().ok().filter(|number| *number > 0).map(|number| Types(number, number));
    word.or(number).ok_or_else(|| "no such type of LSA".to_owned())
}

impl Selection {
    fn has(&self, lsa: &Lsa) -> bool {
        self.area.is_none_or(|area| lsa.area == Some(area))
            && self.kind.is_none_or(|Types(first, last)| (first..=last).contains(&lsa.ls_type))
            && self.router.is_none_or(|router| lsa.advertising_router == router)
            && self.id.is_none_or(|id| lsa.id == id)
            && (lsa.own || !self.own)
    }
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        match &self.what {
            What::Neighbors { detail: false } => self.rows(Noun::Neighbors, show::neighbors),
            What::Neighbors { detail: true } => self.rows(Noun::Neighbors, show::neighbors_in_detail),
            What::Routes => self.rows(Noun::Routes, show::routes),
            What::Tunnels => self.rows(Noun::Tunnels, show::tunnels),
            What::Interfaces { detail: false } => self.rows(Noun::Interfaces, show::interfaces),
            What::Interfaces { detail: true } => self.rows(Noun::Interfaces, show::interfaces_in_detail),
            What::Areas => self.rows(Noun::Areas, show::areas),
            What::BorderRouters => self.rows(Noun::BorderRouters, show::border_routers),
            What::Limits => self.rows(Noun::Limits, show::limits),
            What::L2 => self.rows(Noun::L2, show::segments),
            What::Filters => self.rows(Noun::Filters, show::filters),
            What::Lsdb(selection) => {
                let mut lsas: Vec<Lsa> = self.ask(Noun::Lsdb)?;
                lsas.retain(|lsa| selection.has(lsa));
                let text = if selection.brief { show::lsdb_in_brief } else { show::lsdb };
                self.format.print(&lsas, |lsas| text(lsas))?;
                Ok(Outcome::Good)
            }
            What::Spf => {
                let spf: Spf = self.ask(Noun::Spf)?;
                self.format.print(&spf, show::spf)?;
                Ok(Outcome::Good)
            }
        }
    }

    fn rows<T: Serialize + DeserializeOwned>(
        &self,
        noun: Noun,
        table: impl Fn(&[T]) -> String,
    ) -> anyhow::Result<Outcome> {
        let rows: Vec<T> = self.ask(noun)?;
        self.format.print(&rows, |rows| table(rows))?;
        Ok(Outcome::Good)
    }

    fn ask<T: DeserializeOwned>(&self, noun: Noun) -> anyhow::Result<T> {
        Ok(ask(&self.run_dir.path, Request::Show { noun })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsa(ls_type: u8, area: Option<Ipv4Addr>, router: u8) -> Lsa {
        Lsa {
            area,
            link: None,
            kind: String::new(),
            id: Ipv4Addr::new(10, 0, 0, ls_type),
            advertising_router: Ipv4Addr::new(10, 255, 0, router),
            sequence: String::new(),
            age_s: 0,
            checksum: String::new(),
            length: 20,
            body: Vec::new(),
            options: Vec::new(),
            ls_type,
            own: router == 1,
        }
    }

    #[test]
    fn lsas_are_selected_by_all_that_is_asked_for() {
        let backbone = Some(Ipv4Addr::UNSPECIFIED);
        let lsas = [lsa(1, backbone, 1), lsa(1, backbone, 2), lsa(5, None, 2), lsa(10, backbone, 1), lsa(11, None, 2)];
        let all = Selection { area: None, kind: None, router: None, id: None, own: false, brief: false };
        let found = |selection: &Selection| {
            let found = lsas.iter().filter(|lsa| selection.has(lsa));
            found.map(|lsa| (lsa.ls_type, lsa.advertising_router.octets()[3])).collect::<Vec<_>>()
        };
        assert_eq!(found(&all).len(), 5);
        assert_eq!(found(&Selection { area: backbone, ..all }), [(1, 1), (1, 2), (10, 1)]);
        let kind = |text| Some(ls_types(text).unwrap());
        assert_eq!(found(&Selection { kind: kind("opaque"), ..all }), [(10, 1), (11, 2)]);
        assert_eq!(found(&Selection { kind: kind("5"), ..all }), [(5, 2)]);
        assert_eq!(found(&Selection { own: true, kind: kind("router"), ..all }), [(1, 1)]);
        assert_eq!(found(&Selection { router: Some(Ipv4Addr::new(10, 255, 0, 2)), ..all }), [(1, 2), (5, 2), (11, 2)]);
        assert_eq!(found(&Selection { id: Some(Ipv4Addr::new(10, 0, 0, 10)), ..all }), [(10, 1)]);
        assert!(ls_types("0").is_err() && ls_types("bgp").is_err());
    }
}

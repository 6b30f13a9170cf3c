//! `weft show NOUN`: shows all items of one kind.

use std::net::Ipv4Addr;

use clap::Subcommand;
use serde::de::DeserializeOwned;

use super::{Format, Outcome, RunDir};
use crate::control::view::Lsa;
use crate::control::{self, LsaSelection, Noun, Request};
use crate::show;

/// Show all items of one kind.
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
        /// Show everything that is known of each.
        #[arg(long)]
        detail: bool,
    },
    /// BFD sessions: state, intervals, and why they were last down.
    Bfd,
    /// Routes that OSPF computed, and what the kernel has of each.
    Routes {
        /// Show where packets go at once when the next hops of each fail.
        #[arg(long)]
        backup: bool,
    },
    /// How many destinations have another way at once when a next hop fails, and which have not and why.
    Protection,
    /// WireGuard tunnels.
    Tunnels,
    /// OSPF interfaces: state, cost, timers, and the packets refused.
    Interfaces {
        /// Show everything that is known of each, with counters.
        #[arg(long)]
        detail: bool,
    },
    /// The link state database, in words.
    Lsdb(Selection),
    /// Areas, and what is in their databases.
    Areas,
    /// Area border and AS boundary routers, and the way to each.
    BorderRouters,
    /// The state of the route calculation: when routes are calculated next, and how often they were.
    Spf,
    /// Limits that protect the memory, and how near they are.
    Limits,
    /// Ethernet segments: ports, sites, and where each host is.
    L2,
    /// Packets dropped where they enter or leave the mesh: control packets from LANs, sources that may not come from there.
    Filters,
}

/// Selects the LSAs to show.
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
    /// Print one line for each LSA, without its contents.
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
    fn lsas(self) -> LsaSelection {
        let Self { area, kind, router, id, own, brief: _ } = self;
        LsaSelection { area, types: kind.map(|Types(first, last)| (first, last)), router, id, own }
    }
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        match &self.what {
            What::Neighbors { detail: false } => self.rows(Noun::Neighbors, show::neighbors),
            What::Neighbors { detail: true } => self.rows(Noun::Neighbors, show::neighbors_in_detail),
            What::Bfd => self.rows(Noun::Bfd, show::sessions),
            What::Routes { backup: false } => self.rows(Noun::Routes, show::routes),
            What::Routes { backup: true } => self.rows(Noun::Routes, show::routes_with_backups),
            What::Protection => self.show(Request::show(Noun::Protection), show::protection),
            What::Tunnels => self.rows(Noun::Tunnels, show::tunnels),
            What::Interfaces { detail: false } => self.rows(Noun::Interfaces, show::interfaces),
            What::Interfaces { detail: true } => self.rows(Noun::Interfaces, show::interfaces_in_detail),
            What::Areas => self.rows(Noun::Areas, show::areas),
            What::BorderRouters => self.rows(Noun::BorderRouters, show::border_routers),
            What::Limits => self.rows(Noun::Limits, show::limits),
            What::L2 => self.rows(Noun::L2, show::segments),
            What::Filters => self.rows(Noun::Filters, show::filters),
            What::Lsdb(selection) => {
                let request = Request::Show { noun: Noun::Lsdb, lsas: Some(selection.lsas()) };
                let text = if selection.brief { show::lsdb_in_brief } else { show::lsdb };
                self.show(request, |lsas: &Vec<Lsa>| text(lsas))
            }
            What::Spf => self.show(Request::show(Noun::Spf), show::spf),
        }
    }

    fn rows<T: DeserializeOwned>(&self, noun: Noun, table: impl Fn(&[T]) -> String) -> anyhow::Result<Outcome> {
        self.show(Request::show(noun), |rows: &Vec<T>| table(rows))
    }

    fn show<T: DeserializeOwned>(&self, request: Request, text: impl FnOnce(&T) -> String) -> anyhow::Result<Outcome> {
        self.format.print_answer(&control::request(&self.run_dir.path, request)?, text)?;
        Ok(Outcome::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_numbers() {
        assert_eq!(ls_types("opaque"), Ok(Types(9, 11)));
        assert_eq!(ls_types("5"), ls_types("external"));
        assert!(ls_types("0").is_err() && ls_types("bgp").is_err());
    }
}

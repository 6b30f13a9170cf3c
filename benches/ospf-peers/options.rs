//! The command line options of the benchmark.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: cargo bench --bench ospf-peers -- [--runs N] [--rounds N] [--peers weft,frr,bird] \
                     [--topology mesh:N|grid:RxC|mesh:N+EXTERNALS]… [--externals N]";

/// What to measure.
#[derive(Debug)]
pub struct Options {
    /// Number of runs: everything is measured once in each.
    pub runs: usize,
    /// Number of changes in each run.
    pub rounds: usize,
    /// The implementations to measure, in this order.
    pub peers: Vec<Peer>,
    /// The databases to measure with.
    pub topologies: Vec<Topology>,
}

/// An implementation of OSPF that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Weft,
    Frr,
    Bird,
}

/// The network behind the synthetic neighbour that the database describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// A full mesh of this many routers.
    Mesh(u32),
    /// A grid with this many rows and columns of routers, each of which has links to the adjacent ones.
    Grid(u32, u32),
    /// No routers but the neighbour, which originates this many AS-external-LSAs.
    Externals(u32),
    /// A full mesh of so many routers, of which the neighbour originates so many AS-external-LSAs.
    MeshWithExternals(u32, u32),
}

impl Topology {
    /// The number of AS-external-LSAs.
    pub fn externals(self) -> u32 {
        match self {
            Self::Externals(count) | Self::MeshWithExternals(_, count) => count,
            Self::Mesh(_) | Self::Grid(..) => 0,
        }
    }
}

impl Options {
    /// Reads the arguments. Ignores `--bench`, which cargo adds.
    pub fn read() -> Result<Self> {
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        let mut options =
            Self { runs: 3, rounds: 40, peers: vec![Peer::Weft, Peer::Frr, Peer::Bird], topologies: Vec::new() };
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{name} of what? {USAGE}"))?;
            match name.as_str() {
                "--runs" => options.runs = count(&name, &value)?,
                "--rounds" => options.rounds = count(&name, &value)?,
                "--peers" => options.peers = value.split(',').map(str::parse).collect::<Result<_>>()?,
                "--topology" => options.topologies.push(value.parse()?),
                "--externals" => options.topologies.push(Topology::Externals(value.parse().context("--externals")?)),
                _ => bail!(USAGE),
            }
        }
        if options.topologies.is_empty() {
            options.topologies = vec![
                Topology::Mesh(400),
                Topology::Grid(40, 40),
                Topology::Externals(10_000),
                Topology::MeshWithExternals(400, 10_000),
            ];
        }
        Ok(options)
    }
}

fn count(name: &str, value: &str) -> Result<usize> {
    Ok(value.parse::<NonZero<usize>>().with_context(|| format!("reading {name}"))?.get())
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "weft" => Ok(Self::Weft),
            "frr" => Ok(Self::Frr),
            "bird" => Ok(Self::Bird),
            other => bail!("no peer {other:?}: {USAGE}"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weft => "weft",
            Self::Frr => "FRR",
            Self::Bird => "BIRD",
        })
    }
}

impl FromStr for Topology {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || format!("no topology {text:?}: {USAGE}");
        let (kind, size) = text.split_once(':').with_context(wrong)?;
        match (kind, size.split_once('x')) {
            ("mesh", None) => match size.split_once('+') {
                None => Ok(Self::Mesh(size.parse().with_context(wrong)?)),
                Some((routers, externals)) => Ok(Self::MeshWithExternals(
                    routers.parse().with_context(wrong)?,
                    externals.parse().with_context(wrong)?,
                )),
            },
            ("grid", Some((rows, columns))) => {
                Ok(Self::Grid(rows.parse().with_context(wrong)?, columns.parse().with_context(wrong)?))
            }
            _ => bail!(wrong()),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh(routers) => write!(f, "full mesh of {routers}"),
            Self::Grid(rows, columns) => write!(f, "grid of {rows} x {columns}"),
            Self::Externals(count) => write!(f, "{count} externals"),
            Self::MeshWithExternals(routers, count) => write!(f, "full mesh of {routers} with {count} externals"),
        }
    }
}

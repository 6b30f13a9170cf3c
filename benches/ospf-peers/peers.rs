//! Starts the implementations that are measured, configured as an operator would do it: point-to-point, hello interval 1 s, dead interval
//! 4 s, and no delay before a route calculation if it can be configured so.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::harness::frr::Frr;
use crate::harness::netns::inside;
use crate::harness::process::{Background, output_of};
use crate::link::{INTERFACE, ROUTER_ID, ROUTER_NETNS};
use crate::options::Peer;

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// A running router, which ends when this is dropped.
pub enum Running {
    Frr(#[expect(dead_code, reason = "kept for its end")] Box<Frr>),
    Process(Background, #[expect(dead_code, reason = "kept for its end")] TempDir),
    /// weft, and the directory of its files.
    Weft(Background, TempDir),
}

impl Running {
    pub fn start(peer: Peer) -> Result<Self> {
        match peer {
            Peer::Weft => weft(),
            Peer::Frr => frr(),
            Peer::Bird => bird(),
        }
    }

    /// Returns an error if the router has ended. FRR is not checked.
    pub fn alive(&mut self) -> Result<()> {
        match self {
            Self::Frr(_) => Ok(()),
            Self::Process(process, _) | Self::Weft(process, _) => process.alive(),
        }
    }

    /// The command that shows the state of weft as JSON, with all routes; `None` for the others, which print no such thing.
    pub fn status(&self) -> Option<Command> {
        let Self::Weft(_, dir) = self else { return None };
        Some(inside(ROUTER_NETNS, &format!("{WEFT} status --json --run-dir {}", dir.path().join("run").display())))
    }
}

fn weft() -> Result<Running> {
    let dir = tempfile::Builder::new().prefix("weft-").tempdir().context("making a directory for weft")?;
    let path = |name: &str| dir.path().join(name);
    let public_key = output_of(Command::new(WEFT).args(["keygen", "--out"]).arg(path("site.key")))?;
    let mesh = format!(
        "[mesh]\nname = \"ospf-peers\"\nloopbacks = \"10.255.0.0/16\"\n\n\
         [ospf]\nhello_interval = \"1s\"\ndead_interval = \"4s\"\n\n\
         [[site]]\nname = \"alone\"\nid = 1\npublic_key = \"{}\"\n\n\
         [[site.interface]]\nname = \"{INTERFACE}\"\nospf = \"active\"\nnetwork = \"point-to-point\"\ncost = 10\n",
        public_key.trim()
    );
    fs::write(path("mesh.toml"), mesh)?;
    let line = format!(
        "{WEFT} run {} --key {} --run-dir {}",
        path("mesh.toml").display(),
        path("site.key").display(),
        path("run").display()
    );
    let process = Background::start("weft", inside(ROUTER_NETNS, &line), dir.path())?;
    Ok(Running::Weft(process, dir))
}

fn frr() -> Result<Running> {
    let conf = format!(
        "interface {INTERFACE}\n ip ospf area 0\n ip ospf network point-to-point\n ip ospf cost 10\n \
         ip ospf hello-interval 1\n ip ospf dead-interval 4\n\
         router ospf\n ospf router-id {ROUTER_ID}\n timers throttle spf 0 0 0\n"
    );
    Ok(Running::Frr(Box::new(Frr::start(ROUTER_NETNS, &conf)?)))
}

fn bird() -> Result<Running> {
    let dir = tempfile::Builder::new().prefix("bird-").tempdir().context("making a directory for BIRD")?;
    // BIRD calculates at its next tick, and the shortest tick is one second. A Router-LSA of the mesh is longer than its default buffer.
    let conf = format!(
        "log stderr all;\nrouter id {ROUTER_ID};\nprotocol device {{ }}\n\
         protocol kernel {{ ipv4 {{ import none; export all; }}; }}\n\
         protocol ospf v2 {{ tick 1; ipv4 {{ import all; export none; }}; area 0 {{ interface \"{INTERFACE}\" {{\n\
         type ptp; cost 10; hello 1; dead 4; rx buffer large;\n}}; }}; }}\n"
    );
    fs::write(dir.path().join("bird.conf"), conf)?;
    let line = format!("bird -f -c {0}/bird.conf -s {0}/bird.ctl", dir.path().display());
    let process = Background::start("bird", inside(ROUTER_NETNS, &line), dir.path())?;
    Ok(Running::Process(process, dir))
}

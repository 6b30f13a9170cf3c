//! FRR's `zebra` and `ospfd` in a namespace, with files and sockets of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::netns::inside;
use super::process::{Background, run};
use super::wait::eventually;

const ZEBRA: &str = "/usr/lib/frr/zebra";
const OSPFD: &str = "/usr/lib/frr/ospfd";

/// How long a daemon may take until its socket is there.
const START: Duration = Duration::from_secs(10);

/// An FRR router. Its daemons end when this is dropped.
pub struct Frr {
    // Before `dir`: daemons end first.
    ospfd: Option<Background>,
    zebra: Background,
    netns: String,
    dir: TempDir,
}

impl Frr {
    /// Starts both daemons in `netns`; `ospfd_conf` is the whole of `ospfd.conf`.
    pub fn start(netns: &str, ospfd_conf: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("frr-").tempdir().context("making a directory for FRR")?;
        fs::write(dir.path().join("zebra.conf"), "")?;
        fs::write(dir.path().join("ospfd.conf"), ospfd_conf)?;
        // The daemons drop to this user, which must own the place of their sockets.
        run(&format!("chown -R frr:frr {}", dir.path().display()))?;
        let zebra = daemon(netns, ZEBRA, dir.path())?;
        let mut frr = Self { ospfd: None, zebra, netns: netns.to_owned(), dir };
        // ospfd that does not find zebra tries again after ten seconds only.
        frr.await_socket("zserv.api")?;
        frr.start_ospfd()?;
        Ok(frr)
    }

    /// Kills `ospfd` (SIGKILL: no farewell) and starts it again.
    pub fn restart_ospfd(&mut self) -> Result<()> {
        if let Some(mut ospfd) = self.ospfd.take() {
            ospfd.end_with(Signal::SIGKILL)?;
        }
        fs::remove_file(self.dir.path().join("ospfd.vty")).ok();
        self.start_ospfd()
    }

    /// What `vtysh -c COMMAND` prints, as JSON.
    pub fn show(&self, command: &str) -> Result<Value> {
        let mut vtysh = super::process::command(&format!("vtysh --vty_socket {} -c", self.dir.path().display()));
        let text = super::process::output_of(vtysh.arg(command))?;
        serde_json::from_str(&text).with_context(|| format!("reading what vtysh says to {command:?}: {text}"))
    }

    /// State of the neighbour with this router id ("Full", "Init" …); `None` if there is none.
    pub fn neighbor_state(&self, router_id: &str) -> Result<Option<String>> {
        let shown = self.show("show ip ospf neighbor json")?;
        // "Full/-" on a point-to-point network.
        let state = shown["neighbors"][router_id][0]["nbrState"].as_str();
        Ok(state.map(|state| state.split('/').next().unwrap_or(state).to_owned()))
    }

    /// Time the neighbour with this router id has been in its present state.
    pub fn neighbor_uptime(&self, router_id: &str) -> Result<Duration> {
        let shown = self.show("show ip ospf neighbor json")?;
        let millis = shown["neighbors"][router_id][0]["upTimeInMsec"].as_u64().context("no such neighbour")?;
        Ok(Duration::from_millis(millis))
    }

    fn start_ospfd(&mut self) -> Result<()> {
        self.ospfd = Some(daemon(&self.netns, OSPFD, self.dir.path())?);
        self.await_socket("ospfd.vty")
    }

    fn await_socket(&mut self, name: &str) -> Result<()> {
        let socket = self.dir.path().join(name);
        eventually(&format!("FRR's {name}"), START, || {
            self.zebra.alive()?;
            if let Some(ospfd) = &mut self.ospfd {
                ospfd.alive()?;
            }
            Ok(socket.exists().then_some(()))
        })
    }
}

fn daemon(netns: &str, program: &str, dir: &Path) -> Result<Background> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let path = |suffix: &str| -> PathBuf { dir.join(format!("{name}.{suffix}")) };
    let line = format!(
        "{program} --vty_socket {dir} -z {dir}/zserv.api -f {conf} -i {pid} -P 0 --log stdout --log-level info",
        dir = dir.display(),
        conf = path("conf").display(),
        pid = path("pid").display(),
    );
    Background::start(name, inside(netns, &line), dir)
}

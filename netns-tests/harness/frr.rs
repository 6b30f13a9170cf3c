//! FRR's `zebra` and one routing daemon in a namespace, with files and sockets of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::netns::inside;
use super::process::{Background, command, output_of, run};
use super::wait::eventually;

/// Debian's places of the daemons.
pub const ZEBRA: &str = "/usr/lib/frr/zebra";
pub const OSPFD: &str = "/usr/lib/frr/ospfd";
pub const BGPD: &str = "/usr/lib/frr/bgpd";
pub const BFDD: &str = "/usr/lib/frr/bfdd";
pub const VRRPD: &str = "/usr/lib/frr/vrrpd";

/// Where `ospfd` insists on keeping what survives a graceful restart; each namespace sees a place of its own there.
const STATE: &str = "/run/frr";

/// How long a daemon may take until its socket is there.
const START: Duration = Duration::from_secs(20);

/// An FRR router. Its daemons end when this is dropped.
pub struct Frr {
    // Before `dir`: daemons end first.
    routing: Option<Background>,
    bfd: Option<Background>,
    zebra: Option<Background>,
    /// The routing daemon.
    program: &'static str,
    /// Whether it has `bfdd` beside it.
    has_bfd: bool,
    netns: String,
    dir: TempDir,
}

impl Frr {
    /// Starts `zebra` and `ospfd` in `netns`; `ospfd_conf` is the whole of `ospfd.conf`.
    pub fn start(netns: &str, ospfd_conf: &str) -> Result<Self> {
        let mut frr = Self::configured(netns, ospfd_conf)?;
        frr.start_missing()?;
        Ok(frr)
    }

    /// Starts `zebra` and `bgpd` in `netns`; `bgpd_conf` is the whole of `bgpd.conf`.
    pub fn start_bgp(netns: &str, bgpd_conf: &str) -> Result<Self> {
        let mut frr = Self::with_program(netns, BGPD, bgpd_conf)?;
        frr.start_missing()?;
        Ok(frr)
    }

    /// Starts `zebra` and `vrrpd` in `netns`; `vrrpd_conf` is the whole of `vrrpd.conf`.
    pub fn start_vrrp(netns: &str, vrrpd_conf: &str) -> Result<Self> {
        let mut frr = Self::with_program(netns, VRRPD, vrrpd_conf)?;
        frr.start_missing()?;
        Ok(frr)
    }

    /// Starts `zebra` and `bfdd` in `netns`; `bfdd_conf` is the whole of `bfdd.conf`.
    pub fn start_bfd(netns: &str, bfdd_conf: &str) -> Result<Self> {
        let mut frr = Self::with_program(netns, BFDD, bfdd_conf)?;
        frr.start_missing()?;
        Ok(frr)
    }

    /// Starts `zebra`, `bfdd` and `ospfd` in `netns`; the texts are the whole of `ospfd.conf` and `bfdd.conf`.
    pub fn start_with_bfd(netns: &str, ospfd_conf: &str, bfdd_conf: &str) -> Result<Self> {
        let mut frr = Self::with_program(netns, OSPFD, ospfd_conf)?;
        fs::write(frr.dir.path().join("bfdd.conf"), bfdd_conf)?;
        run(&format!("chown -R frr:frr {}", frr.dir.path().display()))?;
        frr.has_bfd = true;
        frr.start_missing()?;
        Ok(frr)
    }

    /// The OSPF router with its files, not started.
    pub fn configured(netns: &str, ospfd_conf: &str) -> Result<Self> {
        Self::with_program(netns, OSPFD, ospfd_conf)
    }

    fn with_program(netns: &str, program: &'static str, conf: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("frr-").tempdir().context("making a directory for FRR")?;
        fs::write(dir.path().join("zebra.conf"), "")?;
        fs::write(dir.path().join(format!("{}.conf", name(program))), conf)?;
        // The daemons drop to this user, which must own the place of their sockets.
        run(&format!("chown -R frr:frr {}", dir.path().display()))?;
        Ok(Self { routing: None, bfd: None, zebra: None, program, has_bfd: false, netns: netns.to_owned(), dir })
    }

    /// Starts the daemons that do not run.
    pub fn start_missing(&mut self) -> Result<()> {
        if self.zebra.is_none() {
            // A daemon that does not find zebra tries again after ten seconds only.
            for left in ["zserv.api", "zebra.vty"] {
                fs::remove_file(self.dir.path().join(left)).ok();
            }
            self.zebra = Some(daemon(&self.netns, ZEBRA, self.dir.path())?);
            self.await_socket("zserv.api")?;
        }
        if self.has_bfd && self.bfd.is_none() {
            fs::remove_file(self.dir.path().join("bfdd.vty")).ok();
            self.bfd = Some(daemon(&self.netns, BFDD, self.dir.path())?);
            self.await_socket("bfdd.vty")?;
        }
        if self.routing.is_none() {
            let socket = format!("{}.vty", name(self.program));
            fs::remove_file(self.dir.path().join(&socket)).ok();
            self.routing = Some(daemon(&self.netns, self.program, self.dir.path())?);
            self.await_socket(&socket)?;
        }
        Ok(())
    }

    /// Kills `ospfd` (SIGKILL: no farewell) and starts it again.
    pub fn restart_ospfd(&mut self) -> Result<()> {
        if let Some(mut ospfd) = self.routing.take() {
            ospfd.end_with(Signal::SIGKILL)?;
        }
        self.start_missing()
    }

    /// Kills both daemons.
    pub fn kill(&mut self) -> Result<()> {
        self.end_with(Signal::SIGKILL)
    }

    /// Ends both daemons in good order.
    pub fn stop(&mut self) -> Result<()> {
        self.end_with(Signal::SIGTERM)
    }

    fn end_with(&mut self, signal: Signal) -> Result<()> {
        if let Some(mut bfd) = self.bfd.take() {
            bfd.end_with(signal)?;
        }
        for daemon in [&mut self.routing, &mut self.zebra] {
            daemon.take().context("FRR does not run")?.end_with(signal)?;
        }
        Ok(())
    }

    /// Tells the neighbours of a graceful restart and ends `ospfd`; `zebra` keeps its routes.
    pub fn stop_gracefully(&mut self) -> Result<()> {
        self.ask("graceful-restart prepare ip ospf")?;
        self.routing.take().context("FRR does not run")?.end_with(Signal::SIGTERM)
    }

    /// What `vtysh -c COMMAND` prints, with a command in each line of `question`.
    pub fn ask(&self, question: &str) -> Result<String> {
        let mut vtysh = command(&format!("vtysh --vty_socket {}", self.dir.path().display()));
        output_of(vtysh.args(question.lines().flat_map(|line| ["-c", line])))
    }

    /// What `vtysh -c COMMAND` prints, as JSON.
    pub fn show(&self, command: &str) -> Result<Value> {
        let text = self.ask(command)?;
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

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The end of what both daemons have written.
    pub fn log_tail(&self) -> String {
        let tails = [&self.zebra, &self.bfd, &self.routing].into_iter().flatten().map(Background::log_tail);
        tails.collect::<Vec<_>>().join("\n")
    }

    fn await_socket(&mut self, name: &str) -> Result<()> {
        let socket = self.dir.path().join(name);
        eventually(&format!("FRR's {name}"), START, || {
            for daemon in [&mut self.zebra, &mut self.bfd, &mut self.routing].into_iter().flatten() {
                daemon.alive()?;
            }
            Ok(socket.exists().then_some(()))
        })
    }
}

fn daemon(netns: &str, program: &str, dir: &Path) -> Result<Background> {
    let name = name(program);
    let path = |suffix: &str| -> PathBuf { dir.join(format!("{name}.{suffix}")) };
    let line = format!(
        "{program} --vty_socket {dir} -z {dir}/zserv.api -f {conf} -i {pid} -P 0 --log stdout --log-level info",
        dir = dir.display(),
        conf = path("conf").display(),
        pid = path("pid").display(),
    );
    Background::start(name, with_own_state(netns, dir, &line), dir)
}

fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// `line` in `netns`, where [`STATE`] is `dir`: each `ip netns exec` has mounts of its own.
fn with_own_state(netns: &str, dir: &Path, line: &str) -> Command {
    let mut command = inside(netns, "sh -c");
    command.arg(format!("mkdir -p {STATE} && mount --bind \"$0\" {STATE} && exec \"$@\"")).arg(dir);
    command.args(line.split_whitespace());
    command
}

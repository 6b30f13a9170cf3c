//! A mesh in network namespaces (`weft lab`). Tests use it only through weft's command line, as an operator would.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::netns::ip;
use super::process::{has_ended, output_of, success, tail};
use super::wait::{allowed, eventually};

/// The program under test.
pub const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// The directory in which a lab keeps each site's log, process id and control socket.
const LABS: &str = "/run/weft/lab";

/// Maximum time for a daemon to end.
const END: Duration = Duration::from_secs(15);

/// Maximum time until every adjacency of a mesh is Full. It is long because the same tests also run under emulation.
const CONVERGENCE: Duration = Duration::from_secs(60);

/// A running lab. If it is dropped without [`Lab::down`], the test has failed, and the sites' logs are shown.
pub struct Lab {
    mesh: String,
    file: PathBuf,
    sites: Vec<String>,
    /// Number of tunnels of each site.
    tunnels: BTreeMap<String, usize>,
    /// Sites whose daemons were exchanged, with the programs that they run now.
    exchanged: BTreeMap<String, PathBuf>,
    /// Daemons that this process has started, and has to wait for.
    children: Vec<Child>,
    is_down: bool,
    _dir: TempDir,
}

impl Lab {
    /// Brings up the mesh of `text` under the name `mesh`, which no other test uses, and waits until every tunnel's
    /// adjacency is Full.
    pub fn up(mesh: &str, text: &str) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory for the mesh file")?;
        let mut lab = Self {
            mesh: mesh.to_owned(),
            file: dir.path().join("mesh.toml"),
            sites: Vec::new(),
            tunnels: BTreeMap::new(),
            exchanged: BTreeMap::new(),
            children: Vec::new(),
            is_down: false,
            _dir: dir,
        };
        lab.write(text)?;
        // An earlier run of this test that was killed may have left a lab.
        lab.weft(&["lab", "down"]).ok();
        lab.weft(&["lab", "up"])?;
        lab.await_full()?;
        Ok(lab)
    }

    /// Replaces the mesh file and distributes it: new sites are started, and the daemons of the others get SIGHUP.
    pub fn change(&mut self, text: &str) -> Result<()> {
        self.write(text)?;
        self.weft(&["lab", "up"]).map(drop)
    }

    /// Replaces the mesh file of one running site only, and makes its daemon read it.
    pub fn change_at(&self, site: &str, text: &str) -> Result<()> {
        let file = self.state_of(site).join("etc/mesh.toml");
        fs::write(&file, text).with_context(|| format!("writing {file:?}"))?;
        let pid = self.daemon(site)?;
        kill(pid, Signal::SIGHUP).with_context(|| format!("sending SIGHUP to {pid}"))
    }

    /// Starts all daemons that are not running.
    pub fn start_what_is_missing(&self) -> Result<()> {
        self.weft(&["lab", "up"]).map(drop)
    }

    /// Removes the lab, and checks that no namespace, file or process of it is left.
    pub fn down(mut self) -> Result<()> {
        self.weft(&["lab", "down"])?;
        self.is_down = true;
        let prefix = format!("{}-", self.mesh);
        let left = super::process::run("ip netns list")?;
        ensure!(!left.lines().any(|line| line.starts_with(&prefix)), "namespaces are left:\n{left}");
        let state = PathBuf::from(LABS).join(&self.mesh);
        ensure!(!state.exists(), "{} is left", state.display());
        let processes = super::process::run("ps -eo pid,args")?;
        let mentions = format!("{}/", state.display());
        ensure!(!processes.contains(&mentions), "processes are left:\n{processes}");
        Ok(())
    }

    /// Runs `weft SUBCOMMAND… FILE`.
    pub fn weft(&self, subcommand: &[&str]) -> Result<String> {
        output_of(Command::new(WEFT).args(subcommand).arg(&self.file))
    }

    /// Drops all packets between two sites inside the network between them.
    pub fn cut(&self, one: &str, other: &str) -> Result<()> {
        output_of(Command::new(WEFT).args(["lab", "cut"]).arg(&self.file).args([one, other])).map(drop)
    }

    /// Undoes [`Self::cut`].
    pub fn heal(&self, one: &str, other: &str) -> Result<()> {
        output_of(Command::new(WEFT).args(["lab", "heal"]).arg(&self.file).args([one, other])).map(drop)
    }

    /// Connects a host to another site; `arguments` may be `--silent`.
    pub fn weft_lab_move(&self, host: &str, site: &str, arguments: &str) -> Result<()> {
        let mut command = Command::new(WEFT);
        command.args(["lab", "move"]).arg(&self.file).args([host, site]).args(arguments.split_whitespace());
        output_of(&mut command).map(drop)
    }

    /// The command that runs `line` at `place`: a site, `SITE-lan`, or a host of a segment.
    pub fn at(&self, place: &str, line: &str) -> Command {
        let mut command = Command::new(WEFT);
        command.args(["lab", "exec"]).arg(&self.file).arg(place).arg("--").args(line.split_whitespace());
        command
    }

    /// Runs `line` at `place` and returns its output.
    pub fn run_at(&self, place: &str, line: &str) -> Result<String> {
        output_of(&mut self.at(place, line))
    }

    /// Runs `weft ARGUMENTS` at the site and returns its output.
    pub fn ask(&self, site: &str, arguments: &str) -> Result<String> {
        success(&format!("weft {arguments} at {site}"), &self.answered(site, arguments)?)
    }

    /// Runs `weft ARGUMENTS --json` at the site and returns its output. The exit code is ignored: 1 may only mean that there are problems.
    pub fn ask_json(&self, site: &str, arguments: &str) -> Result<Value> {
        let output = self.answered(site, &format!("{arguments} --json"))?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments} at {site}: reading {output:?}"))
    }

    /// Runs `weft ARGUMENTS` at the site and returns its result. If the daemon answers that it is busy, the command is repeated: on an
    /// emulated machine, reading the kernel's state may take longer than a client waits.
    pub fn answered(&self, site: &str, arguments: &str) -> Result<Output> {
        eventually(&format!("an answer of {site} to {arguments}"), allowed(CONVERGENCE), || {
            // The answer of a daemon is meant for a client of the same version.
            let program = self.exchanged.get(site).map_or(Path::new(WEFT), PathBuf::as_path);
            let output = self.at(site, &format!("{} {arguments}", program.display())).output()?;
            let is_busy = String::from_utf8_lossy(&output.stderr).contains("the weft daemon says: busy, ");
            Ok((!is_busy).then_some(output))
        })
    }

    /// Name of the namespace of `place`.
    pub fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.mesh)
    }

    /// Runs `ip ARGUMENTS` in the namespace of `place` and returns its output.
    pub fn ip(&self, place: &str, arguments: &str) -> Result<String> {
        ip(&self.netns(place), arguments)
    }

    /// The first address of the LAN host behind `site`.
    pub fn lan_host(&self, site: &str) -> Result<Ipv4Addr> {
        let shown = self.ip(&format!("{site}-lan"), "-j -4 address show dev eth0")?;
        let shown: Value = serde_json::from_str(&shown).with_context(|| format!("reading {shown}"))?;
        let address = shown[0]["addr_info"][0]["local"].as_str().context("the LAN host has an address")?;
        address.parse().with_context(|| format!("reading {address}"))
    }

    /// The names of all sites.
    pub fn sites(&self) -> &[String] {
        &self.sites
    }

    /// All addresses of the LAN host behind `site`.
    pub fn lan_addresses(&self, site: &str) -> Result<Vec<Ipv4Addr>> {
        let shown = self.ip(&format!("{site}-lan"), "-j -4 address show scope global")?;
        let shown: Value = serde_json::from_str(&shown).with_context(|| format!("reading {shown}"))?;
        let interfaces = shown.as_array().into_iter().flatten();
        let addresses = interfaces.flat_map(|interface| interface["addr_info"].as_array().into_iter().flatten());
        addresses.map(|info| Ok(info["local"].as_str().context("an address")?.parse()?)).collect()
    }

    /// The address that represents the Internet in the lab.
    pub fn internet(&self) -> Result<Ipv4Addr> {
        let shown = self.ip("net", "-o -4 address show dev lo scope global")?;
        let address = shown.split_whitespace().skip_while(|word| *word != "inet").nth(1);
        let internet = address.and_then(|address| address.split('/').next()).context("the Internet has an address")?;
        internet.parse().with_context(|| format!("reading {shown}"))
    }

    /// `--run-dir` of the site's daemon.
    pub fn run_dir(&self, site: &str) -> PathBuf {
        self.state_of(site).join("run")
    }

    /// The output of `weft status --json` at the site.
    pub fn status(&self, site: &str) -> Result<Value> {
        self.ask_json(site, "status")
    }

    /// Whether the site's daemon reports the neighbour on `interface` as Full.
    pub fn is_full(&self, site: &str, interface: &str) -> Result<bool> {
        let status = self.status(site)?;
        let neighbors = status["neighbors"].as_array().context("neighbors")?;
        Ok(neighbors.iter().any(|n| n["interface"] == interface && n["state"] == "Full"))
    }

    /// Waits until every tunnel of every site has a Full neighbour.
    pub fn await_full(&self) -> Result<()> {
        for site in &self.sites {
            eventually(&format!("every adjacency of {site} to be Full"), CONVERGENCE, || {
                let status = self.status(site)?;
                let tunnels = status["tunnels"].as_array().context("tunnels")?;
                let neighbors = status["neighbors"].as_array().context("neighbors")?;
                let full =
                    |interface: &Value| neighbors.iter().any(|n| n["interface"] == *interface && n["state"] == "Full");
                let all = tunnels.len() >= self.tunnels[site] && tunnels.iter().all(|t| full(&t["interface"]));
                Ok(all.then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until one ping from `from` to `to` is answered.
    pub fn await_ping(&self, from: &str, to: Ipv4Addr, within: Duration) -> Result<()> {
        eventually(&format!("{from} to reach {to}"), within, || {
            self.run_at(from, &format!("ping -n -c 1 -W 1 {to}")).map(Some)
        })
        .map(drop)
    }

    /// Process id of the site's daemon.
    pub fn daemon(&self, site: &str) -> Result<Pid> {
        let path = self.state_of(site).join("daemon");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))?;
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
        Ok(Pid::from_raw(pid.with_context(|| format!("a pid in {text:?}"))?))
    }

    /// Kills the site's daemon with SIGKILL, and waits until it has ended.
    pub fn kill_daemon(&self, site: &str) -> Result<()> {
        let pid = self.daemon(site)?;
        kill(pid, Signal::SIGKILL).with_context(|| format!("killing {pid}"))?;
        eventually("the daemon to be gone", Duration::from_secs(5), || Ok(has_ended(pid).then_some(())))
    }

    /// Ends the site's daemon as `systemctl restart` does, and starts `program` in its place, with the same arguments and in the same
    /// namespaces.
    pub fn exchange(&mut self, site: &str, program: &Path) -> Result<()> {
        let pid = self.daemon(site)?;
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let read = |name: &str| fs::read(proc.join(name)).with_context(|| format!("reading {name} of {site}'s daemon"));
        let arguments = String::from_utf8(read("cmdline")?)?;
        let arguments: Vec<&str> = arguments.trim_end_matches('\0').split('\0').skip(1).collect();
        let namespaces = ["net", "mnt"].map(|kind| File::open(proc.join("ns").join(kind)));
        let [net, mounts] = namespaces.map(|file| file.context("opening the namespaces of a daemon"));
        let (net, mounts) = (net?, mounts?);
        kill(pid, Signal::SIGTERM).with_context(|| format!("ending {pid}"))?;
        eventually(&format!("{site}'s daemon to end"), END, || Ok(has_ended(pid).then_some(())))?;
        let log = File::options().append(true).open(self.state_of(site).join("log")).context("opening the log")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        command.current_dir("/").env_remove("NOTIFY_SOCKET");
        let started = thread::spawn(move || -> Result<Child> {
            unshare(CloneFlags::CLONE_FS).context("leaving the working directory of the other threads")?;
            setns(net, CloneFlags::CLONE_NEWNET).context("entering the namespace: it needs root")?;
            setns(mounts, CloneFlags::CLONE_NEWNS).context("entering the mounts")?;
            command.spawn().with_context(|| format!("starting {command:?}"))
        });
        let child = started.join().map_err(|_| anyhow!("the thread that starts a daemon panicked"))??;
        // The same format as `weft lab` writes: the process id, and its start time (proc_pid_stat(5), field 22).
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).context("a daemon ended at once")?;
        let fields = stat.rsplit_once(')').context("the name of a process is in parentheses")?.1;
        let started = fields.split_whitespace().nth(19).context("a process has a start")?;
        fs::write(self.state_of(site).join("daemon"), format!("{} {started}\n", child.id()))?;
        // Earlier children that have ended are removed. Others are about to end.
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        self.children.push(child);
        self.exchanged.insert(site.to_owned(), program.to_owned());
        Ok(())
    }

    /// Process ids of the site's WireGuard engine.
    pub fn engine(&self, site: &str) -> Result<Vec<Pid>> {
        let inside = super::process::run(&format!("ip netns pids {}", self.netns(site)))?;
        let mut engines = Vec::new();
        for pid in inside.lines() {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.split('\0').nth(1) == Some("engine") {
                engines.push(Pid::from_raw(pid.parse()?));
            }
        }
        Ok(engines)
    }

    /// The tunnel interfaces of the site that the kernel shows as up.
    pub fn tunnels(&self, site: &str) -> Result<Vec<String>> {
        let links = self.ip(site, "-o link show up")?;
        let names = links.lines().filter_map(|line| line.split(": ").nth(1));
        Ok(names.filter(|name| name.starts_with("wg-")).map(str::to_owned).collect())
    }

    /// The routes of weft in the kernel's main table at the site.
    pub fn weft_routes(&self, site: &str) -> Result<Vec<String>> {
        super::netns::routes(&self.netns(site), "proto 201")
    }

    fn write(&mut self, text: &str) -> Result<()> {
        fs::write(&self.file, text).with_context(|| format!("writing {:?}", self.file))?;
        let shown = self.weft(&["check"])?;
        (self.sites, self.tunnels) =
            sites_of(&shown).with_context(|| format!("reading what weft check says:\n{shown}"))?;
        Ok(())
    }

    fn state_of(&self, site: &str) -> PathBuf {
        PathBuf::from(LABS).join(&self.mesh).join(site)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.is_down {
            return;
        }
        for site in &self.sites {
            eprintln!("--- log of {site}:\n{}", tail(&self.state_of(site).join("log")));
            let status = Command::new(WEFT).args(["status", "--run-dir"]).arg(self.run_dir(site)).output();
            let shown = status.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            eprintln!("--- status of {site}:\n{}", shown.unwrap_or_else(|error| error.to_string()));
        }
        if let Err(error) = self.weft(&["lab", "down"]) {
            eprintln!("{error:#}");
        }
    }
}

/// Reads the table that `weft check` prints: the names of the sites, ordered by id, and the number of tunnels of each.
fn sites_of(shown: &str) -> Option<(Vec<String>, BTreeMap<String, usize>)> {
    let (mut names, mut tunnels) = (Vec::new(), BTreeMap::new());
    for line in shown.lines().skip_while(|line| !line.starts_with("ID ")).skip(1).take_while(|line| !line.is_empty()) {
        let mut fields = line.split_whitespace().skip(1);
        let name = fields.next()?.to_owned();
        tunnels.insert(name.clone(), fields.nth(1)?.parse().ok()?);
        names.push(name);
    }
    (!names.is_empty()).then_some((names, tunnels))
}

//! weft as a router of a plan: a mesh of one site.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::super::net::plan::{AreaKind, Auth, Medium, Metric, Plan, Router, Segment, dotted};
use super::super::netns::inside;
use super::super::process::{Background, output_of};
use super::{Daemon, Neighbor, Role, START};

/// The program under test.
const WEFT: &str = env!("CARGO_BIN_EXE_weft");

const LOG_FILTER: &str = "info,weft=debug,ospf=debug";

/// Where its files are, in its directory.
const MESH_FILE: &str = "mesh.toml";
const KEY_FILE: &str = "site.key";
const AUTH_FILE: &str = "lan.key";

pub struct Weft {
    process: Option<Background>,
    netns: String,
    dir: TempDir,
}

impl Weft {
    pub fn new(plan: &Plan, router: &Router, netns: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("weft-").tempdir().context("making a directory for weft")?;
        let public_key = output_of(Command::new(WEFT).args(["keygen", "--out"]).arg(dir.path().join(KEY_FILE)))?;
        fs::write(dir.path().join(MESH_FILE), mesh_file(plan, router, public_key.trim()))?;
        let auth = dir.path().join(AUTH_FILE);
        fs::write(&auth, Auth::KEY)?;
        fs::set_permissions(&auth, Permissions::from_mode(0o600))?;
        output_of(Command::new(WEFT).arg("check").arg(dir.path().join(MESH_FILE)))?;
        Ok(Self { process: None, netns: netns.to_owned(), dir })
    }

    fn json(&self, question: &str) -> Result<Value> {
        let text = self.ask(&format!("{question} --json"))?;
        serde_json::from_str(&text).with_context(|| format!("reading what weft says to {question:?}: {text}"))
    }
}

impl Daemon for Weft {
    fn start(&mut self) -> Result<()> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let line = format!(
            "{WEFT} run {} --key {} --run-dir {} --log {LOG_FILTER}",
            path(MESH_FILE),
            path(KEY_FILE),
            path("run")
        );
        let mut process = Background::start("weft", inside(&self.netns, &line), self.dir.path())?;
        process.await_answer(START, || self.json("show interfaces").map(drop))?;
        self.process = Some(process);
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.process.take().context("weft does not run")?.end_with(Signal::SIGKILL)
    }

    fn stop_gracefully(&mut self) -> Result<()> {
        self.process.take().context("weft does not run")?.end_with(Signal::SIGTERM)
    }

    fn neighbors(&self) -> Result<Vec<Neighbor>> {
        let shown = self.json("show neighbors")?;
        let text = |entry: &Value, key: &str| -> Result<String> {
            Ok(entry[key].as_str().with_context(|| format!("{key} in {entry}"))?.to_owned())
        };
        let neighbor = |entry: &Value| -> Result<Neighbor> {
            Ok(Neighbor {
                router_id: text(entry, "router_id")?.parse()?,
                interface: text(entry, "interface")?,
                state: text(entry, "state")?,
                role: entry["role"].as_str().and_then(role),
                unacknowledged: Some(entry["retransmissions"].as_u64().context("retransmissions")?),
            })
        };
        shown.as_array().context("an array of neighbours")?.iter().map(neighbor).collect()
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn evidence(&self) -> String {
        let mut text = String::new();
        for question in ["neighbors", "interfaces --json", "lsdb", "routes"] {
            let answer = self.ask(&format!("show {question}")).unwrap_or_else(|error| format!("{error:#}"));
            write!(text, "> {question}\n{answer}\n").expect("a String takes everything");
        }
        text + &self.process.as_ref().map(Background::log_tail).unwrap_or_default()
    }

    fn ask(&self, question: &str) -> Result<String> {
        let mut command = Command::new(WEFT);
        command.args(question.split_whitespace()).arg("--run-dir").arg(self.dir.path().join("run"));
        // Exit code 1 may only say that something is not good.
        let output = command.output().context("starting weft")?;
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn role(said: &str) -> Option<Role> {
    match said {
        "dr" => Some(Role::Designated),
        "backup" => Some(Role::Backup),
        "other" => Some(Role::Other),
        _ => None,
    }
}

fn mesh_file(plan: &Plan, router: &Router, public_key: &str) -> String {
    let home = plan.areas_of(router.name)[0];
    let mut text = format!(
        "[mesh]\nname = \"{}\"\nloopbacks = \"10.255.0.0/16\"\n\n[ospf]\narea = \"{}\"\nhello_interval = \"1s\"\n\
         dead_interval = \"{}s\"\n",
        plan.name,
        dotted(home),
        plan.dead_interval
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    if plan.graceful_restart {
        add("graceful_restart = { helper = true, restarter = true, grace_period = \"60s\" }".to_owned());
    }
    for area in plan.areas_of(router.name) {
        let Some(settings) = plan.areas.get(&area) else { continue };
        add(format!("\n[[area]]\nid = \"{}\"", dotted(area)));
        match settings.kind {
            AreaKind::Normal => {}
            AreaKind::Stub => add("kind = \"stub\"".to_owned()),
            AreaKind::TotallyStubby => add("kind = \"stub\"\nsummaries = false".to_owned()),
            AreaKind::Nssa => add("kind = \"nssa\"".to_owned()),
            AreaKind::TotallyNssa => add("kind = \"nssa\"\nsummaries = false".to_owned()),
        }
        if plan.is_border(router.name) && !settings.ranges.is_empty() {
            let range = |range: &super::super::net::plan::Range| {
                format!("{{ prefix = \"{}\", advertise = {} }}", range.prefix, range.advertise)
            };
            add(format!("ranges = [{}]", settings.ranges.iter().map(range).collect::<Vec<_>>().join(", ")));
        }
    }
    add(format!(
        "\n[[site]]\nname = \"{}\"\nid = {}\npublic_key = \"{public_key}\"\nendpoint = \"192.0.2.{}\"",
        router.name, router.number, router.number
    ));
    for (segment, _) in plan.ports(router.name) {
        add(interface(plan, router, segment));
    }
    for stub in plan.stubs.iter().filter(|stub| stub.router == router.name) {
        let (name, area, cost) = (&stub.name, dotted(stub.area), stub.cost);
        add(format!("\n[[site.interface]]\nname = \"{name}\"\nospf = \"passive\"\narea = \"{area}\"\ncost = {cost}"));
    }
    for link in &plan.virtual_links {
        if let Some(far) = link.far_end(router.name) {
            let (area, far, auth) = (dotted(link.transit), plan.router_id(far), auth(link.auth));
            add(format!("\n[[site.virtual_link]]\narea = \"{area}\"\nrouter_id = \"{far}\"\n{auth}"));
        }
    }
    for external in plan.externals.iter().filter(|external| external.router == router.name) {
        let (kind, metric) = match external.metric {
            Metric::Type1(metric) => (1, metric),
            Metric::Type2(metric) => (2, metric),
        };
        let (prefix, tag) = (external.prefix, external.tag);
        add(format!(
            "\n[[site.redistribute]]\nfrom = \"kernel\"\nprefixes = [\"{prefix}\"]\nmetric = {metric}\ntype = \
             {kind}\ntag = {tag}"
        ));
    }
    text
}

fn interface(plan: &Plan, router: &Router, segment: &Segment) -> String {
    let port = segment.port(router.name).expect("a port on its own segment");
    let medium = match segment.medium {
        Medium::Broadcast => "broadcast",
        Medium::NonBroadcast => "nbma",
        Medium::PointToMultipoint => "point-to-multipoint",
        Medium::PointToPoint => "point-to-point",
    };
    let mut text = format!(
        "\n[[site.interface]]\nname = \"{}\"\nospf = \"active\"\nnetwork = \"{medium}\"\narea = \"{}\"\ncost = {}\n{}",
        segment.name,
        dotted(segment.area),
        port.cost,
        auth(segment.auth)
    );
    if matches!(segment.medium, Medium::Broadcast | Medium::NonBroadcast) {
        write!(text, "\npriority = {}", port.priority).expect("a String takes everything");
    }
    if matches!(segment.medium, Medium::NonBroadcast | Medium::PointToMultipoint) {
        let far = segment.neighbors(router.name).map(|far| match segment.medium {
            Medium::NonBroadcast => {
                format!("{{ address = \"{}\", priority = {} }}", plan.address(segment, far.router), far.priority)
            }
            _ => format!("\"{}\"", plan.address(segment, far.router)),
        });
        let far: Vec<String> = far.collect();
        write!(text, "\npoll_interval = \"2s\"\nneighbors = [{}]", far.join(", ")).expect("a String takes everything");
    }
    text
}

fn auth(auth: Auth) -> String {
    let kind = match auth {
        Auth::None => return String::new(),
        Auth::Simple => return format!("auth = {{ type = \"simple\", key_file = \"{AUTH_FILE}\" }}"),
        Auth::Md5 => "md5",
        Auth::HmacSha256 => "hmac-sha-256",
    };
    format!("auth = {{ type = \"{kind}\", key_id = 1, key_file = \"{AUTH_FILE}\" }}")
}

//! weft as a router of a plan: a mesh of one site.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::super::net::auth::{Algorithm, Auth};
use super::super::net::plan::{AreaKind, Medium, Metric, Plan, Router, Segment, dotted};
use super::super::netns::inside;
use super::super::process::{Background, output_of};
use super::super::wait::eventually;
use super::{Daemon, Neighbor, Role, START};

/// The program under test.
const WEFT: &str = env!("CARGO_BIN_EXE_weft");

const LOG_FILTER: &str = "info,weft=debug,ospf=debug";

/// Where its files are, in its directory.
const MESH_FILE: &str = "mesh.toml";
const KEY_FILE: &str = "site.key";

/// What it logs when it has read its mesh file again.
const RELOADED: &str = "mesh file read again";

pub struct Weft {
    process: Option<Background>,
    netns: String,
    public_key: String,
    dir: TempDir,
}

impl Weft {
    pub fn new(plan: &Plan, router: &Router, netns: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("weft-").tempdir().context("making a directory for weft")?;
        let public_key = output_of(Command::new(WEFT).args(["keygen", "--out"]).arg(dir.path().join(KEY_FILE)))?;
        let weft = Self { process: None, netns: netns.to_owned(), public_key: public_key.trim().to_owned(), dir };
        weft.write_files(plan, router)?;
        Ok(weft)
    }

    fn write_files(&self, plan: &Plan, router: &Router) -> Result<()> {
        for secret in plan.auths(router.name).flat_map(Auth::secrets) {
            let file = self.dir.path().join(secret_file(secret));
            fs::write(&file, secret)?;
            fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        }
        fs::write(self.dir.path().join(MESH_FILE), mesh_file(plan, router, &self.public_key)?)?;
        output_of(Command::new(WEFT).arg("check").arg(self.dir.path().join(MESH_FILE))).map(drop)
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

    fn stop(&mut self) -> Result<()> {
        self.process.take().context("weft does not run")?.end_with(Signal::SIGTERM)
    }

    fn stop_gracefully(&mut self) -> Result<()> {
        self.stop()
    }

    fn reload(&mut self, plan: &Plan, router: &Router) -> Result<()> {
        self.write_files(plan, router)?;
        let process = self.process.as_mut().context("weft does not run")?;
        let taken = |process: &Background| Ok(process.output()?.matches(RELOADED).count()) as Result<usize>;
        let before = taken(process)?;
        process.signal(Signal::SIGHUP)?;
        eventually("weft to take its mesh file", START, || Ok((taken(process)? > before).then_some(())))?;
        // It answers when the engine has it.
        self.json("show interfaces").map(drop)
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
                in_state: Some(Duration::try_from_secs_f64(entry["since_s"].as_f64().context("since_s")?)?),
                unacknowledged: Some(entry["retransmissions"].as_u64().context("retransmissions")?),
            })
        };
        shown.as_array().context("an array of neighbours")?.iter().map(neighbor).collect()
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir().join("weft.log"))?)
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

fn mesh_file(plan: &Plan, router: &Router, public_key: &str) -> Result<String> {
    let home = plan.areas_of(router.name)[0];
    let mut text = format!(
        "[mesh]\nname = \"{}\"\nloopbacks = \"10.255.0.0/16\"\n\n[ospf]\narea = \"{}\"\nhello_interval = \"1s\"\n\
         dead_interval = \"{}s\"\n",
        plan.name,
        dotted(home),
        plan.dead_interval
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    if let Some(delay) = plan.spf_delay {
        add(format!("spf_delay = {{ initial = \"{delay}s\", short = \"{delay}s\", long = \"{delay}s\" }}"));
    }
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
        add(interface(plan, router, segment)?);
    }
    for stub in plan.stubs.iter().filter(|stub| stub.router == router.name) {
        let (name, area, cost) = (&stub.name, dotted(stub.area), stub.cost);
        add(format!("\n[[site.interface]]\nname = \"{name}\"\nospf = \"passive\"\narea = \"{area}\"\ncost = {cost}"));
    }
    for link in &plan.virtual_links {
        if let Some(far) = link.far_end(router.name) {
            let (area, far, auth) = (dotted(link.transit), plan.router_id(far), auth(&link.auth)?);
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
    Ok(text)
}

fn interface(plan: &Plan, router: &Router, segment: &Segment) -> Result<String> {
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
        auth(&port.auth)?
    );
    if port.mtu_ignore {
        text += "\nmtu_ignore = true";
    }
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
    Ok(text)
}

fn auth(auth: &Auth) -> Result<String> {
    let keys = match auth {
        Auth::None => return Ok(String::new()),
        Auth::Simple(secret) => {
            return Ok(format!("auth = {{ type = \"simple\", key_file = \"{}\" }}", secret_file(secret)));
        }
        Auth::Keys(keys) => keys,
    };
    let mut chain = Vec::new();
    for key in keys {
        let kind = match key.algorithm {
            Algorithm::Md5 => "md5",
            Algorithm::HmacSha256 => "hmac-sha-256",
        };
        let file = secret_file(key.secret);
        let mut text = format!("type = \"{kind}\", key_id = {}, key_file = \"{file}\"", key.id);
        let moments =
            [("send_from", key.sent_from), ("send_until", key.sent_until), ("accept_until", key.accepted_until)];
        for (name, moment) in moments {
            if let Some(moment) = moment {
                write!(text, ", {name} = {}", moment.format("+%FT%TZ")?).expect("a String takes everything");
            }
        }
        chain.push(format!("{{ {text} }}"));
    }
    Ok(format!("auth = [{}]", chain.join(", ")))
}

fn secret_file(secret: &str) -> String {
    format!("{secret}.key")
}

//! BIRD 2 as a router of a plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::super::net::auth::{Algorithm, Auth};
use super::super::net::plan::{Area, AreaKind, External, Medium, Metric, Plan, Router, Segment};
use super::super::netns::inside;
use super::super::process::{Background, run};
use super::super::wait::eventually;
use super::{Daemon, Neighbor, START, role, state};

/// How its OSPF instance is called.
const INSTANCE: &str = "ospf1";

const CONFIG_FILE: &str = "bird.conf";

pub struct Bird {
    process: Option<Background>,
    netns: String,
    /// Whether the next start takes over what an earlier life has left.
    recovers: bool,
    dir: TempDir,
}

impl Bird {
    pub fn new(plan: &Plan, router: &Router, netns: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bird-").tempdir().context("making a directory for BIRD")?;
        fs::write(dir.path().join(CONFIG_FILE), config(plan, router)?)?;
        Ok(Self { process: None, netns: netns.to_owned(), recovers: false, dir })
    }

    /// A command that changes something.
    fn order(&self, words: &str) -> Result<String> {
        run(&format!("birdc -s {}/bird.ctl {words}", self.dir.path().display()))
    }

    fn end_with(&mut self, signal: Signal) -> Result<()> {
        self.process.take().context("BIRD does not run")?.end_with(signal)
    }
}

impl Daemon for Bird {
    fn start(&mut self) -> Result<()> {
        let dir = self.dir.path().display();
        let recovery = if std::mem::take(&mut self.recovers) { " -R" } else { "" };
        let line = format!("bird -f -c {dir}/{CONFIG_FILE} -s {dir}/bird.ctl{recovery}");
        let mut command = inside(&self.netns, &line);
        // Lifetimes of keys are in UTC.
        command.env("TZ", "UTC");
        let mut process = Background::start("bird", command, self.dir.path())?;
        process.await_answer(START, || run(&format!("birdc -s {dir}/bird.ctl show status")).map(drop))?;
        self.process = Some(process);
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.end_with(Signal::SIGKILL)
    }

    fn stop(&mut self) -> Result<()> {
        self.end_with(Signal::SIGTERM)
    }

    fn stop_gracefully(&mut self) -> Result<()> {
        self.recovers = true;
        self.order("graceful restart")?;
        let process = self.process.as_mut().context("BIRD does not run")?;
        eventually("BIRD to end", START, || Ok(process.alive().is_err().then_some(())))?;
        self.process = None;
        Ok(())
    }

    fn reload(&mut self, plan: &Plan, router: &Router) -> Result<()> {
        fs::write(self.dir.path().join(CONFIG_FILE), config(plan, router)?)?;
        let answer = self.order("configure")?;
        ensure!(answer.contains("Reconfigured"), "birdc configure: {answer}");
        Ok(())
    }

    fn neighbors(&self) -> Result<Vec<Neighbor>> {
        let shown = self.ask(&format!("show ospf neighbors {INSTANCE}"))?;
        let mut neighbors = Vec::new();
        for line in shown.lines() {
            // Router ID, Pri, State, DTime, Interface, Router IP.
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [router_id, _priority, said, _dead, interface, _address] = columns[..] else { continue };
            let Ok(router_id) = router_id.parse() else { continue };
            neighbors.push(Neighbor {
                router_id,
                interface: interface.to_owned(),
                state: state(said),
                role: role(said),
                in_state: None,
                unacknowledged: None,
            });
        }
        Ok(neighbors)
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir().join("bird.log"))?)
    }

    fn evidence(&self) -> String {
        let questions =
            ["show ospf neighbors", "show ospf interface", "show ospf lsadb", "show route all protocol ospf1"];
        let mut text = String::new();
        for question in questions {
            let answer = self.ask(question).unwrap_or_else(|error| format!("{error:#}"));
            write!(text, "> {question}\n{answer}\n").expect("a String takes everything");
        }
        text + &self.process.as_ref().map(Background::log_tail).unwrap_or_default()
    }

    fn ask(&self, question: &str) -> Result<String> {
        let answer = run(&format!("birdc -r -s {}/bird.ctl {question}", self.dir.path().display()))?;
        if answer.lines().any(|line| line.starts_with("syntax error")) {
            bail!("birdc {question:?}: {answer}");
        }
        Ok(answer)
    }
}

fn config(plan: &Plan, router: &Router) -> Result<String> {
    let mut text = format!(
        "log stderr all;\nrouter id {};\ndebug protocols {{ states, events }};\n\
         protocol device {{ scan time 1; }}\n\
         protocol kernel {{ persist; graceful restart; ipv4 {{ import none; export where source ~ \
         [ RTS_OSPF, RTS_OSPF_IA, RTS_OSPF_EXT1, RTS_OSPF_EXT2 ]; }}; }}\n",
        plan.router_id(router.name)
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    let externals: Vec<&External> = plan.externals.iter().filter(|external| external.router == router.name).collect();
    if !externals.is_empty() {
        add("protocol static { ipv4;".to_owned());
        for external in &externals {
            match external.via {
                Some(gateway) => add(format!(" route {} via {gateway};", external.prefix)),
                None => add(format!(" route {} blackhole;", external.prefix)),
            }
        }
        add("}".to_owned());
    }
    add(format!("protocol ospf v2 {INSTANCE} {{\n rfc1583compat no;"));
    add(format!(" graceful restart {};", if plan.graceful_restart { "yes" } else { "no" }));
    add(format!(" ipv4 {{ import all; export {}; }};", exports(&externals)));
    for area in plan.areas_of(router.name) {
        add(format!(" area {} {{", super::super::net::plan::dotted(area)));
        if let Some(settings) = plan.areas.get(&area) {
            add(area_settings(settings, plan.is_border(router.name)));
        }
        for (segment, _) in plan.ports(router.name).filter(|(segment, _)| segment.area == area) {
            add(interface(plan, router, segment)?);
        }
        for stub in plan.stubs.iter().filter(|stub| stub.router == router.name && stub.area == area) {
            add(format!("  interface \"{}\" {{ stub; cost {}; }};", stub.name, stub.cost));
        }
        for link in plan.virtual_links.iter().filter(|link| link.transit == area) {
            if let Some(far) = link.far_end(router.name) {
                let far = plan.router_id(far);
                add(format!(
                    "  virtual link {far} {{ hello 1; dead {}; retransmit 2; {} }};",
                    plan.dead_interval,
                    auth(&link.auth)?
                ));
            }
        }
        add(" };".to_owned());
    }
    add("}".to_owned());
    Ok(text)
}

/// A router that exports nothing is no AS boundary router, which a stub area must not have.
fn exports(externals: &[&External]) -> String {
    let mut text = String::new();
    for External { prefix, metric, tag, .. } in externals {
        let metric = match metric {
            Metric::Type1(metric) => format!("ospf_metric1 = {metric}"),
            Metric::Type2(metric) => format!("ospf_metric2 = {metric}"),
        };
        write!(text, "if net = {prefix} then {{ {metric}; ospf_tag = {tag}; accept; }} ")
            .expect("a String takes everything");
    }
    if text.is_empty() { "none".to_owned() } else { format!("filter {{ {text}reject; }}") }
}

fn area_settings(area: &Area, is_border: bool) -> String {
    let mut text = match area.kind {
        AreaKind::Normal => String::new(),
        AreaKind::Stub => "  stub; summary yes;\n".to_owned(),
        AreaKind::TotallyStubby => "  stub; summary no;\n".to_owned(),
        AreaKind::Nssa => "  nssa; summary yes;\n".to_owned(),
        AreaKind::TotallyNssa => "  nssa; summary no;\n".to_owned(),
    };
    if area.kind != AreaKind::Normal {
        text += "  default cost 1;\n";
    }
    if is_border && !area.ranges.is_empty() {
        let range = |range: &super::super::net::plan::Range| {
            format!(" {}{};", range.prefix, if range.advertise { "" } else { " hidden" })
        };
        let ranges: String = area.ranges.iter().map(range).collect();
        write!(text, "  networks {{{ranges} }};").expect("a String takes everything");
    }
    text
}

fn interface(plan: &Plan, router: &Router, segment: &Segment) -> Result<String> {
    let port = segment.port(router.name).expect("a port on its own segment");
    let medium = match segment.medium {
        Medium::Broadcast => "broadcast",
        Medium::NonBroadcast => "nonbroadcast",
        Medium::PointToMultipoint => "pointomultipoint",
        Medium::PointToPoint => "pointopoint",
    };
    let dead = plan.dead_interval;
    let retransmit = plan.retransmit_interval.unwrap_or(2);
    let mut text = format!(
        "  interface \"{}\" {{ type {medium}; cost {}; priority {}; hello 1; dead {dead}; wait {dead}; retransmit {retransmit}; poll 2; \
         {}",
        segment.name,
        port.cost,
        port.priority,
        auth(&port.auth)?
    );
    if matches!(segment.medium, Medium::NonBroadcast | Medium::PointToMultipoint) {
        let eligible = |priority| if priority > 0 { " eligible" } else { "" };
        let far = segment.neighbors(router.name);
        let neighbors: String =
            far.map(|far| format!(" {}{};", plan.address(segment, far.router), eligible(far.priority))).collect();
        write!(text, " neighbors {{{neighbors} }};").expect("a String takes everything");
    }
    Ok(text + " };")
}

fn auth(auth: &Auth) -> Result<String> {
    let keys = match auth {
        Auth::None => return Ok(String::new()),
        Auth::Simple(secret) => return Ok(format!("authentication simple; password \"{secret}\";")),
        Auth::Keys(keys) => keys,
    };
    let mut text = "authentication cryptographic;".to_owned();
    for key in keys {
        let algorithm = match key.algorithm {
            Algorithm::Md5 => "keyed md5",
            Algorithm::HmacSha256 => "hmac sha256",
        };
        write!(text, " password \"{}\" {{ id {}; algorithm {algorithm};", key.secret, key.id)?;
        let moments =
            [("generate from", key.sent_from), ("generate to", key.sent_until), ("accept to", key.accepted_until)];
        for (name, moment) in moments {
            if let Some(moment) = moment {
                write!(text, " {name} \"{} {}\";", moment.format("+%F")?, moment.format("+%T")?)?;
            }
        }
        text += " };";
    }
    Ok(text)
}

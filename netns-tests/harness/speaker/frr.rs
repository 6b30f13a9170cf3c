//! FRR as a router of a plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::super::frr::Frr;
use super::super::net::auth::{Algorithm, Auth, Key};
use super::super::net::plan::{AreaKind, External, Medium, Metric, Plan, Router, Segment, dotted};
use super::{Daemon, Neighbor, role, state};

pub struct FrrRouter {
    frr: Frr,
}

impl FrrRouter {
    pub fn new(plan: &Plan, router: &Router, netns: &str) -> Result<Self> {
        Ok(Self { frr: Frr::configured(netns, &config(plan, router))? })
    }
}

impl Daemon for FrrRouter {
    fn start(&mut self) -> Result<()> {
        self.frr.start_missing()
    }

    fn kill(&mut self) -> Result<()> {
        self.frr.kill()
    }

    fn stop(&mut self) -> Result<()> {
        self.frr.stop()
    }

    fn stop_gracefully(&mut self) -> Result<()> {
        self.frr.stop_gracefully()
    }

    fn reload(&mut self, _plan: &Plan, _router: &Router) -> Result<()> {
        bail!("ospfd reads its file once: a change is told to it in its own words")
    }

    fn neighbors(&self) -> Result<Vec<Neighbor>> {
        let shown = self.frr.show("show ip ospf neighbor json")?;
        let mut neighbors = Vec::new();
        for (router_id, entries) in shown["neighbors"].as_object().context("neighbors")? {
            for entry in entries.as_array().context("entries of a neighbour")? {
                let said = entry["nbrState"].as_str().context("nbrState")?;
                // "lan:10.0.1.2".
                let interface = entry["ifaceName"].as_str().and_then(|name| name.split(':').next());
                neighbors.push(Neighbor {
                    router_id: router_id.parse()?,
                    interface: interface.context("ifaceName")?.to_owned(),
                    state: state(said),
                    role: role(said),
                    in_state: Some(Duration::from_millis(entry["upTimeInMsec"].as_u64().context("upTimeInMsec")?)),
                    unacknowledged: Some(
                        entry["linkStateRetransmissionListCounter"]
                            .as_u64()
                            .context("linkStateRetransmissionListCounter")?,
                    ),
                });
            }
        }
        Ok(neighbors)
    }

    fn dir(&self) -> &Path {
        self.frr.dir()
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir().join("ospfd.log"))?)
    }

    fn evidence(&self) -> String {
        let questions = ["neighbor", "interface", "database", "route"];
        let mut text = String::new();
        for question in questions {
            let answer = self.frr.ask(&format!("show ip ospf {question}")).unwrap_or_else(|error| format!("{error:#}"));
            write!(text, "> {question}\n{answer}\n").expect("a String takes everything");
        }
        text + &self.frr.log_tail()
    }

    fn ask(&self, question: &str) -> Result<String> {
        self.frr.ask(question)
    }
}

fn config(plan: &Plan, router: &Router) -> String {
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    for (segment, _) in plan.ports(router.name) {
        add(interface(plan, router, segment));
    }
    let stubs: Vec<_> = plan.stubs.iter().filter(|stub| stub.router == router.name).collect();
    for stub in &stubs {
        let area = dotted(stub.area);
        add(format!("interface {}\n ip ospf area {area}\n ip ospf cost {}", stub.name, stub.cost));
    }
    let externals: Vec<&External> = plan.externals.iter().filter(|external| external.router == router.name).collect();
    for (number, External { prefix, metric, tag, .. }) in externals.iter().enumerate() {
        let (kind, metric) = match metric {
            Metric::Type1(metric) => (1, metric),
            Metric::Type2(metric) => (2, metric),
        };
        add(format!(
            "ip prefix-list external{number} permit {prefix}\nroute-map externals permit {}\n match ip address \
             prefix-list external{number}\n set metric {metric}\n set metric-type type-{kind}\n set tag {tag}\n!",
            number + 1
        ));
    }
    add(format!("router ospf\n ospf router-id {}", plan.router_id(router.name)));
    for stub in &stubs {
        add(format!(" passive-interface {}", stub.name));
    }
    if !externals.is_empty() {
        add(" redistribute kernel route-map externals".to_owned());
    }
    for (segment, _) in plan.ports(router.name) {
        if matches!(segment.medium, Medium::NonBroadcast) {
            for far in segment.neighbors(router.name) {
                let (address, priority) = (plan.address(segment, far.router), far.priority);
                add(format!(" neighbor {address} priority {priority} poll-interval 2"));
            }
        }
    }
    for area in plan.areas_of(router.name) {
        areas(plan, router, area, &mut add);
    }
    if plan.graceful_restart {
        add(" capability opaque\n graceful-restart\n graceful-restart helper enable".to_owned());
    }
    text
}

fn areas(plan: &Plan, router: &Router, area: u8, add: &mut impl FnMut(String)) {
    let id = dotted(area);
    match plan.kind(area) {
        AreaKind::Normal => {}
        AreaKind::Stub => add(format!(" area {id} stub")),
        AreaKind::TotallyStubby => add(format!(" area {id} stub no-summary")),
        AreaKind::Nssa => add(format!(" area {id} nssa")),
        AreaKind::TotallyNssa => add(format!(" area {id} nssa no-summary")),
    }
    if plan.is_border(router.name) {
        for range in plan.areas.get(&area).into_iter().flat_map(|area| &area.ranges) {
            let advertise = if range.advertise { "" } else { " not-advertise" };
            add(format!(" area {id} range {}{advertise}", range.prefix));
        }
    }
    for link in plan.virtual_links.iter().filter(|link| link.transit == area) {
        if let Some(far) = link.far_end(router.name) {
            let far = plan.router_id(far);
            let head = format!(" area {id} virtual-link {far}");
            add(format!("{head} hello-interval 1 dead-interval {} retransmit-interval 3", plan.dead_interval));
            match &link.auth {
                Auth::None => {}
                Auth::Simple(secret) => add(format!("{head} authentication\n{head} authentication-key {secret}")),
                Auth::Keys(keys) => {
                    add(format!("{head} authentication message-digest"));
                    for key in keys {
                        add(format!("{head} message-digest-key {}", digest_key(key)));
                    }
                }
            }
        }
    }
}

fn interface(plan: &Plan, router: &Router, segment: &Segment) -> String {
    let port = segment.port(router.name).expect("a port on its own segment");
    let medium = match segment.medium {
        Medium::Broadcast => "broadcast",
        Medium::NonBroadcast => "non-broadcast",
        Medium::PointToMultipoint => "point-to-multipoint",
        Medium::PointToPoint => "point-to-point",
    };
    let auth = match &port.auth {
        Auth::None => String::new(),
        Auth::Simple(secret) => format!(" ip ospf authentication\n ip ospf authentication-key {secret}\n"),
        Auth::Keys(keys) => {
            let keys = keys.iter().map(|key| format!(" ip ospf message-digest-key {}\n", digest_key(key)));
            format!(" ip ospf authentication message-digest\n{}", keys.collect::<String>())
        }
    };
    format!(
        "interface {}\n ip ospf area {}\n ip ospf network {medium}\n ip ospf cost {}\n ip ospf priority {}\n ip ospf \
         hello-interval 1\n ip ospf dead-interval {}\n ip ospf retransmit-interval {}\n{auth}!",
        segment.name,
        dotted(segment.area),
        port.cost,
        port.priority,
        plan.dead_interval,
        plan.retransmit_interval.unwrap_or(3)
    )
}

/// A key in FRR's words. It has no lifetimes.
fn digest_key(key: &Key) -> String {
    assert_eq!(key.algorithm, Algorithm::Md5, "FRR 8.4 has no HMAC-SHA for OSPFv2");
    format!("{} md5 {}", key.id, key.secret)
}

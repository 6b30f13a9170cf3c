//! FRR as a router of a plan.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::super::frr::Frr;
use super::super::net::plan::{AreaKind, Auth, External, Medium, Metric, Plan, Router, Segment, dotted};
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

    fn stop_gracefully(&mut self) -> Result<()> {
        self.frr.stop_gracefully()
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
            if link.auth == Auth::Md5 {
                add(format!("{head} authentication message-digest\n{head} message-digest-key 1 md5 {}", Auth::KEY));
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
    let auth = match segment.auth {
        Auth::None => String::new(),
        Auth::Simple => format!(" ip ospf authentication\n ip ospf authentication-key {}\n", Auth::KEY),
        Auth::Md5 => {
            format!(" ip ospf authentication message-digest\n ip ospf message-digest-key 1 md5 {}\n", Auth::KEY)
        }
        Auth::HmacSha256 => panic!("FRR 8.4 has no HMAC-SHA for OSPFv2"),
    };
    format!(
        "interface {}\n ip ospf area {}\n ip ospf network {medium}\n ip ospf cost {}\n ip ospf priority {}\n ip ospf \
         hello-interval 1\n ip ospf dead-interval {}\n ip ospf retransmit-interval 3\n{auth}!",
        segment.name,
        dotted(segment.area),
        port.cost,
        port.priority,
        plan.dead_interval
    )
}

//! The unit of `configs/weft.service` under Debian's systemd, in a virtual machine: installed by the commands of docs/getting-started.md on a machine that
//! never saw weft, and then all that systemd does to it. The virtual machine is the router of one site of a lab, whose other routers and
//! whose hosts are namespaces, as always.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::harness::capture::Capture;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::INTERVAL;
use crate::harness::streams::Streams;
use crate::harness::vm::machine::{Machine, Setup};
use crate::harness::wait::eventually;

/// The repository. Its documents and unit are taken as they are there, and not as they were when this was compiled.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The page that says how weft is installed, below [`ROOT`].
const PAGE: &str = "docs/getting-started.md";

const SITES: [&str; 3] = ["taipei", "osaka", "seoul"];

/// The first command of the section, which is carried out on this machine.
const BUILD: &str = "cargo build --release";

/// The host that moves, and what it is known by.
const DB2: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 11);
const DB2_MAC: &str = "02:00:00:00:01:0b";

/// Emulated, a boot takes half a minute on an idle machine, and a command seconds.
const BOOT: Duration = Duration::from_secs(240);
const COMMAND: Duration = Duration::from_secs(100);

/// For OSPF and the kernel of the emulated router.
const SETTLED: Duration = Duration::from_secs(90);

/// RouterDeadInterval of the mesh file's default, four times: in an emulated router everything may take longer by this factor.
const DEAD: Duration = Duration::from_secs(4 * 4);

/// After a restart: its exchange, its end, and whatever an adjacency made anew would break.
const AFTER: Duration = Duration::from_secs(10);

/// Between two pings of a stream. More than twenty a second, there and back through an emulated router and back-ends of two kinds, are too
/// many for two processors that have to emulate two.
const PINGS: Duration = Duration::from_millis(50);

/// Where the page's commands are given: a checkout of this repository.
const CHECKOUT: &str = "/root/weft";

/// What the machine's installer has made of its Ethernets: the uplink, its LAN, and a port of a segment.
const INTERFACES: &str = "auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address 203.0.113.1/32
    up ip route add default via 169.254.0.1 dev eth0 onlink

auto lan0
iface lan0 inet static
    address 10.1.0.1/16

auto tap0
iface tap0 inet manual
    up ip link set tap0 up
";

/// The commands of the page's section "Install", a list for each of its blocks, in its order.
fn production_commands() -> Result<Vec<Vec<String>>> {
    let page = fs::read_to_string(Path::new(ROOT).join(PAGE)).with_context(|| format!("reading {PAGE}"))?;
    let (_, section) = page.split_once("\n## Install\n").context("the page has a section \"Install\"")?;
    let (section, _) = section.split_once("\n## ").context("another section follows")?;
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines =
        |block: &str| block.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    Ok(blocks.map(lines).collect())
}

/// Three sites with a segment, whose ports are as they are in [`INTERFACES`].
fn mesh_text(mesh: &str) -> Result<String> {
    let text = mesh::segments(mesh);
    let (sites, _) = text.split_once("# Virtual machines").context("configs/l2.toml has its sites first")?;
    let mut text = format!("{sites}[[l2]]\nname = \"vms\"\nvni = 100\ngateway = \"10.9.0.1/24\"\nlearn = true\n");
    for site in SITES {
        text += &format!("[[l2.site]]\nname = \"{site}\"\nports = [\"tap0\"]\n");
    }
    for (host, site, mac, address) in
        [("db1", "taipei", "02:00:00:00:01:0a", "10.9.0.10"), ("db2", "osaka", DB2_MAC, &DB2.to_string())]
    {
        text += &format!("[[l2.host]]\nname = \"{host}\"\nsite = \"{site}\"\nmac = \"{mac}\"\nip = \"{address}\"\n");
    }
    Ok(text)
}

/// A lab whose router at taipei is the virtual machine.
struct Scene {
    machine: Machine,
    text: String,
    lab: Lab,
}

impl Scene {
    /// The machine has been started and nothing is installed on it; its site is not in the mesh any more.
    fn set(mesh: &str) -> Result<Self> {
        let mut setup = Setup::new()?;
        // The page's first command, here: the machine is given what it makes.
        let commands = production_commands()?;
        let first = commands.first().and_then(|block| block.first()).map(String::as_str);
        ensure!(first == Some(BUILD), "the section begins with {first:?}");
        let root = Path::new(ROOT);
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // As from a shell: build scripts run anew where what a runner of tests sets is different.
        for (name, _) in std::env::vars_os() {
            let of_package =
                |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.starts_with(prefix));
            if name.to_str().is_some_and(of_package) {
                build.env_remove(name);
            }
        }
        let built = build.args(["build", "--release"]).current_dir(root).status().context("running cargo")?;
        ensure!(built.success(), "cargo build --release: {built}");
        let program = fs::read(root.join("target/release/weft")).context("reading what was built")?;
        let unit = fs::read(root.join("configs/weft.service")).context("reading the unit")?;

        let text = mesh_text(mesh)?;
        let lab = Lab::up(mesh, &text)?;
        lab.run_at("taipei", &format!("{} down", env!("CARGO_BIN_EXE_weft")))?;
        // Nothing of a router is left there but its cables, and those lead into the machine.
        lab.ip("taipei", "route flush table main")?;
        setup.file("/etc/network/interfaces", 0o644, INTERFACES.as_bytes());
        setup.file(&format!("{CHECKOUT}/target/release/weft"), 0o755, &program);
        setup.file(&format!("{CHECKOUT}/configs/weft.service"), 0o644, &unit);
        for name in ["eth0", "lan0", "tap0"] {
            setup.interface(name, &format!("vm-{name}"));
        }
        let netns = lab.netns("taipei");
        let begin = Instant::now();
        let machine = setup.boot(&netns, BOOT)?;
        eprintln!("booted in {:.1} s", begin.elapsed().as_secs_f64());
        for name in ["eth0", "lan0", "tap0"] {
            lab.ip("taipei", &format!("address flush dev {name}"))?;
            lab.ip("taipei", &format!("link add br-{name} up type bridge"))?;
            for port in [name, &format!("vm-{name}")] {
                lab.ip("taipei", &format!("link set {port} master br-{name} up"))?;
            }
        }
        Ok(Self { machine, text, lab })
    }

    fn run(&mut self, script: &str) -> Result<String> {
        self.machine.run(script, COMMAND)
    }

    /// Installs weft by the page's commands, and gives each site the others' public keys on the way, as an operator does.
    fn install(&mut self) -> Result<()> {
        let mut printed = String::new();
        for block in production_commands()? {
            for line in block.into_iter().filter(|line| *line != BUILD) {
                // Where the section asks for it: between the key and the check.
                if line.starts_with("weft check") {
                    self.exchange_keys(printed.trim())?;
                }
                let script = format!("cd {CHECKOUT} && {line}");
                printed = match line.starts_with("weft status") {
                    // It says what is not yet well.
                    true => self.status()?,
                    false => self.run(&script).with_context(|| format!("`{line}` of {PAGE}"))?,
                };
            }
        }
        Ok(())
    }

    /// Writes the mesh file with the keys that the sites have.
    fn exchange_keys(&mut self, taipei: &str) -> Result<()> {
        let file = format!("/run/weft/lab/{}/@lab/public-keys", self.lab.netns("").trim_end_matches('-'));
        let keys = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let mut parts = self.text.split("public_key = \"");
        let mut text = parts.next().unwrap_or_default().to_owned();
        let mut all = String::new();
        for (part, line) in parts.zip(keys.lines()) {
            let (site, key) = line.split_once(' ').with_context(|| format!("{file} has {line:?}"))?;
            let key = if site == "taipei" { taipei } else { key };
            let (_, rest) = part.split_once('"').context("a key has an end")?;
            text += &format!("public_key = \"{key}\"{rest}");
            all += &format!("{site} {key}\n");
        }
        fs::write(&file, all).with_context(|| format!("writing {file}"))?;
        for site in ["osaka", "seoul"] {
            kill(self.lab.daemon(site)?, Signal::SIGHUP)?;
        }
        self.text = text;
        let text = self.text.clone();
        self.write(&format!("{CHECKOUT}/mesh.toml"), &text)
    }

    /// Writes a file of the machine.
    fn write(&mut self, path: &str, text: &str) -> Result<()> {
        self.run(&format!("cat >{path} <<'END-OF-FILE'\n{text}\nEND-OF-FILE")).map(drop)
    }

    /// `weft status` once it has nothing to complain of.
    fn status(&mut self) -> Result<String> {
        let mut last = String::new();
        let machine = &mut self.machine;
        let awaited = eventually("`weft status` of the machine to be content", SETTLED, || {
            let answer = machine.attempt("weft status", COMMAND)?;
            last = answer.output;
            Ok((answer.status == 0).then_some(()))
        });
        awaited.with_context(|| format!("it says:\n{last}"))?;
        Ok(last)
    }

    /// A property of the unit, as systemd has it.
    fn property(&mut self, name: &str) -> Result<String> {
        Ok(self.run(&format!("systemctl show weft --property {name} --value"))?.trim().to_owned())
    }

    /// The process of the unit that is not the daemon.
    fn engine(&mut self) -> Result<String> {
        let daemon = self.property("MainPID")?;
        let group = self.property("ControlGroup")?;
        let processes = self.run(&format!("cat /sys/fs/cgroup{group}/cgroup.procs"))?;
        let others: Vec<&str> = processes.lines().filter(|pid| *pid != daemon).collect();
        ensure!(others.len() == 1, "the unit has the processes {processes:?}, of which {daemon} is the daemon");
        Ok(others[0].to_owned())
    }

    /// The interface by which the machine sends to osaka's host.
    fn await_way(&mut self, interface: &str) -> Result<()> {
        let script = format!("ip route get {}", self.lab.lan_host("osaka")?);
        let machine = &mut self.machine;
        eventually(&format!("the way to osaka by {interface}"), SETTLED, || {
            Ok(machine.run(&script, COMMAND)?.contains(&format!("dev {interface} ")).then_some(()))
        })
    }

    /// Waits until the routers of the other sites have a route to the machine's LAN, and hosts reach each other both ways.
    fn await_traffic(&self) -> Result<()> {
        for site in ["osaka", "seoul"] {
            self.lab.await_ping("taipei-lan", self.lab.lan_host(site)?, SETTLED)?;
            self.lab.await_ping(&format!("{site}-lan"), self.lab.lan_host("taipei")?, SETTLED)?;
        }
        Ok(())
    }

    /// Whether `site` has a route to the machine's LAN.
    fn has_route(&self, site: &str) -> Result<bool> {
        Ok(self.lab.weft_routes(site)?.iter().any(|route| route.starts_with("10.1.0.0/16")))
    }

    /// Log lines of the unit since a moment of the machine's clock, of this priority or above.
    fn log_since(&mut self, since: &str, priority: &str) -> Result<String> {
        self.run(&format!(
            "journalctl --unit weft --since @{since} --priority {priority} --output cat --quiet --no-pager"
        ))
    }

    fn now(&mut self) -> Result<String> {
        Ok(self.run("date +%s.%N")?.trim().to_owned())
    }
}

/// `systemctl start`, by the page.
fn starts(scene: &mut Scene) -> Result<()> {
    let begin = Instant::now();
    scene.install()?;
    scene.await_traffic()?;
    eprintln!("installed, all well and reached after {:.1} s", begin.elapsed().as_secs_f64());
    for (property, expected) in
        [("ActiveState", "active"), ("SubState", "running"), ("Type", "notify"), ("NRestarts", "0")]
    {
        let found = scene.property(property)?;
        ensure!(found == expected, "{property} is {found}");
    }
    let enabled = scene.run("systemctl is-enabled weft")?;
    ensure!(enabled.trim() == "enabled", "{enabled}");
    // The kernel's own WireGuard, whose module the unit may not load and the kernel does by itself.
    let tunnels = scene.run("ip -o link show type wireguard")?;
    ensure!(tunnels.contains(" wg-osaka:") && tunnels.contains(" wg-seoul:"), "tunnels in the kernel: {tunnels}");
    let routes = scene.run("ip route show proto 201")?;
    ensure!(routes.contains("10.2.0.0/16 ") && routes.contains("10.3.0.0/16 "), "{routes}");
    let rules = scene.run("nft list tables")?;
    for family in ["bridge", "ip", "ip6"] {
        ensure!(rules.contains(&format!("table {family} weft-")), "no table of family {family}: {rules}");
    }
    let warnings = scene.log_since("0", "warning")?;
    ensure!(warnings.is_empty(), "the unit has warned:\n{warnings}");
    let exposure = scene.machine.attempt("systemd-analyze security --no-pager --threshold=28 weft", COMMAND)?;
    let verdict = exposure.output.lines().last().unwrap_or_default();
    ensure!(exposure.status == 0, "more exposed than 2.8: {verdict}");
    eprintln!("{verdict}");
    Ok(())
}

/// `systemctl reload` of a file that is right, and of one that is not.
fn reloads(scene: &mut Scene) -> Result<()> {
    let pid = scene.property("MainPID")?;
    scene.await_way("wg-osaka")?;
    let around = format!("{}\n[[link]]\nbetween = [\"taipei\", \"osaka\"]\ncost = 100\n", scene.text);
    scene.write("/etc/weft/mesh.toml", &around)?;
    scene.run("systemctl reload weft")?;
    scene.await_way("wg-seoul")?;

    let wrong = scene.text.replacen("\nloopbacks", "\nloopback", 1);
    scene.write("/etc/weft/mesh.toml", &wrong)?;
    let refused = scene.machine.attempt("systemctl reload weft", COMMAND)?;
    ensure!(refused.status != 0, "a wrong file is taken");
    // Where the page has the reason.
    let shown = scene.machine.attempt("weft status", COMMAND)?;
    let reason = "`[mesh]` has no `loopbacks`";
    ensure!(shown.status == 1 && shown.output.contains(reason), "`weft status` has no reason: {shown:?}");
    let log = scene.log_since("0", "info")?;
    ensure!(log.contains(reason), "the journal has no reason:\n{log}");
    ensure!(
        scene.property("ActiveState")? == "active" && scene.property("MainPID")? == pid,
        "the daemon did not go on"
    );
    scene.await_traffic()?;

    let text = scene.text.clone();
    scene.write("/etc/weft/mesh.toml", &text)?;
    scene.run("systemctl reload weft")?;
    scene.await_way("wg-osaka")?;
    scene.status()?;
    ensure!(scene.property("MainPID")? == pid, "a reload has restarted the daemon");
    Ok(())
}

/// `systemctl restart` under pings. What it announces, a capture sees.
fn restarts(scene: &mut Scene) -> Result<()> {
    let capture = Capture::start(&scene.lab.netns("osaka"), "wg-taipei", "ip proto 89")?;
    for time in 0..2 {
        let pid = scene.property("MainPID")?;
        let streams = Streams::of(&scene.lab, &[("osaka", "taipei"), ("taipei", "seoul")], PINGS)?;
        let begin = Instant::now();
        scene.run("systemctl restart weft")?;
        let took = begin.elapsed();
        scene.status()?;
        streams.await_answers(AFTER)?;
        let losses = streams.finish()?;
        ensure!(scene.property("MainPID")? != pid, "the daemon was not restarted");
        eprintln!("restart {time} took {:.1} s", took.as_secs_f64());
        ensure!(losses.most == 0, "packets were lost by restart {time}: {losses:#?}");
    }
    let announced = capture.finish_count(GRACE)?;
    ensure!(announced > 0, "no restart was announced");
    Ok(())
}

/// The same with the userspace engine: a process of the unit that outlives each restart of the daemon.
fn restarts_beside_the_engine(scene: &mut Scene) -> Result<()> {
    let (kernel, site) = (scene.text.clone(), "name = \"taipei\"\n");
    let userspace = kernel.replacen(site, &format!("{site}backend = \"userspace\"\n"), 1);
    scene.write("/etc/weft/mesh.toml", &userspace)?;
    scene.run("systemctl restart weft")?;
    scene.status()?;
    let tunnels = scene.run("ip -o -details link show dev wg-osaka")?;
    ensure!(tunnels.contains(" tun type tun "), "it is no TUN device: {tunnels}");
    let engine = scene.engine()?;
    restarts(scene)?;
    ensure!(scene.engine()? == engine, "a restart of the daemon has exchanged the engine");

    scene.write("/etc/weft/mesh.toml", &kernel)?;
    scene.run("systemctl restart weft")?;
    scene.status()?;
    scene.await_traffic()
}

/// Packets with a Grace-LSA (RFC 3623 §A): in an opaque LSA of link scope, type 3.
const GRACE: &str = "ospf.v2.grace";

/// A daemon that does nothing any more is killed by systemd and started again.
fn is_watched(scene: &mut Scene) -> Result<()> {
    let (pid, since) = (scene.property("MainPID")?, scene.now()?);
    let begin = Instant::now();
    scene.run(&format!("kill -STOP {pid}"))?;
    for site in ["osaka", "seoul"] {
        eventually(&format!("{site} to miss the router"), SETTLED, || Ok((!scene.has_route(site)?).then_some(())))?;
    }
    eventually("the next daemon", SETTLED, || {
        Ok((scene.property("NRestarts")? == "1" && scene.property("ActiveState")? == "active").then_some(()))
    })?;
    eprintln!("a daemon that stands still is replaced after {:.1} s", begin.elapsed().as_secs_f64());
    scene.status()?;
    scene.await_traffic()?;
    eprintln!("and its routes are back after {:.1} s", begin.elapsed().as_secs_f64());
    let log = scene.log_since(&since, "info")?;
    ensure!(log.contains("Watchdog timeout"), "it was not the watchdog:\n{log}");
    ensure!(scene.property("MainPID")? != pid, "it is the same daemon");
    Ok(())
}

/// A host of a segment moves to another site, and to this one.
fn hosts_move(scene: &mut Scene) -> Result<()> {
    scene.lab.await_ping("db1", DB2, SETTLED)?;
    // The router of db1's site says it in db2's name, which says nothing of its addresses itself.
    let capture = Capture::start(&scene.lab.netns("db1"), "eth0", "arp")?;
    let announced = format!(
        "eth.dst == ff:ff:ff:ff:ff:ff && arp.isgratuitous && arp.src.proto_ipv4 == {DB2} && arp.src.hw_mac == {DB2_MAC}"
    );
    scene.lab.weft_lab_move("db2", "seoul", "")?;
    eventually("a gratuitous ARP on the machine's port", SETTLED, || {
        Ok((capture.count(&announced)? > 0).then_some(()))
    })?;
    scene.lab.await_ping("db1", DB2, SETTLED)?;

    scene.lab.weft_lab_move("db2", "taipei", "--silent")?;
    eventually("osaka to learn that the host is at the machine", SETTLED, || {
        let shown: Value = scene.lab.ask_json("osaka", "show l2")?;
        let hosts = shown[0]["hosts"].as_array().context("hosts")?;
        Ok(hosts.iter().any(|host| host["name"] == "db2" && host["site"] == "taipei").then_some(()))
    })?;
    scene.lab.await_ping("db1", DB2, SETTLED)?;
    scene.status().map(drop)
}

/// `weft down`: systemd does not start a router again that leaves.
fn leaves(scene: &mut Scene) -> Result<()> {
    scene.run("weft down")?;
    eventually(
        "the unit to be inactive",
        SETTLED,
        || Ok((scene.property("ActiveState")? == "inactive").then_some(())),
    )?;
    let left = scene.run("ip -o link show; ip route show proto 201; ip rule show; nft list tables")?;
    let left: Vec<&str> =
        left.lines().filter(|line| ["wg-", "weft", "201"].iter().any(|word| line.contains(word))).collect();
    ensure!(left.is_empty(), "`weft down` leaves {left:#?}");
    scene.run("systemctl start weft")?;
    scene.status()?;
    scene.await_traffic()
}

/// `systemctl reboot` and `poweroff`: nobody waits for this router, and nothing waits for the unit.
fn shuts_down(scene: &mut Scene, command: &str, others: &[&str]) -> Result<()> {
    let capture = Capture::start(&scene.lab.netns("osaka"), "wg-taipei", "ip proto 89")?;
    let streams = Streams::of(&scene.lab, &[("osaka", "seoul")], INTERVAL)?;
    let written = scene.machine.written()?;
    scene.machine.send(command)?;
    eventually("the unit to be told to stop", SETTLED, || {
        Ok(scene.machine.console_since(written)?.contains("Stopping weft.service").then_some(()))
    })?;
    let begin = Instant::now();
    for site in others {
        eventually(&format!("no route to the machine at {site}"), SETTLED, || {
            Ok((!scene.has_route(site)?).then_some(()))
        })?;
    }
    let missed = begin.elapsed();
    for site in others {
        // It has left, and was not missed: then its LSAs would still be there.
        let lsas: Value = scene.lab.ask_json(site, "show lsdb --router 10.255.0.1")?;
        let live = |lsa: &&Value| lsa["age_s"].as_u64().is_none_or(|age| age < MAX_AGE);
        let live: Vec<_> = lsas.as_array().context("LSAs")?.iter().filter(live).collect();
        ensure!(live.is_empty(), "{command}: {site} still has LSAs of the machine: {live:#?}");
    }
    let end = eventually("the unit to be stopped", SETTLED, || {
        let console = scene.machine.console_since(written)?;
        let mut lines = console.lines().filter(|line| line.contains("weft.service: "));
        Ok(lines.find(|line| ENDS.iter().any(|end| line.contains(end))).map(str::to_owned))
    })?;
    let stopped = begin.elapsed();
    ensure!(end.contains(ENDS[0]), "{command}: {end}");
    eprintln!(
        "{command}: routes gone after {:.1} s, the unit stopped after {:.1} s",
        missed.as_secs_f64(),
        stopped.as_secs_f64()
    );
    ensure!(missed <= DEAD, "{command}: the others had routes to the machine for {missed:?}");
    streams.await_answers(AFTER)?;
    let losses = streams.finish()?;
    ensure!(losses.most == 0, "packets between the others were lost: {losses:#?}");
    let announced = capture.finish_count(GRACE)?;
    ensure!(announced == 0, "{command}: a restart was announced");
    Ok(())
}

/// Of LSAs that are flushed, seconds (RFC 2328 §B).
const MAX_AGE: u64 = 3600;

/// What systemd says of a unit that ends by itself, and of others.
const ENDS: [&str; 4] = ["Deactivated successfully", "timed out", "Killing process", "Failed with result"];

#[test]
#[ignore = "takes some minutes, and fetches a Debian before"]
fn the_unit_runs_under_debians_systemd_as_the_documents_install_it() -> Result<()> {
    let mut scene = Scene::set("t-unit")?;
    starts(&mut scene)?;
    reloads(&mut scene)?;
    restarts(&mut scene)?;
    restarts_beside_the_engine(&mut scene)?;
    is_watched(&mut scene)?;
    hosts_move(&mut scene)?;
    leaves(&mut scene)?;

    let others = ["osaka", "seoul"];
    shuts_down(&mut scene, "systemctl reboot", &others)?;
    scene.machine.await_boot(BOOT)?;
    // As the machine's own: nobody starts it.
    scene.status()?;
    scene.await_traffic()?;
    shuts_down(&mut scene, "systemctl poweroff", &others)?;
    scene.machine.await_off(BOOT)?;
    let Scene { machine, lab, .. } = scene;
    drop(machine);
    lab.down()
}

//! The lab on the real kernel: topology, masquerading, cuts, and that nothing is left behind. Needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use weft::keys::PrivateKey;
use weft::lab::netns::Namespace;
use weft::lab::ping::Stream;
use weft::lab::state::State;
use weft::lab::up::{self, Lab};
use weft::lab::{cut, netlink, preflight};

mod segments;

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// A lab without daemons, taken down at the end whatever happens.
struct Stage {
    mesh: String,
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new(mesh: &str, sites: &[(&str, u16, &str)]) -> Self {
        preflight::check_privileges().expect("this test needs root");
        let directory = tempfile::tempdir().unwrap();
        let stage = Self { mesh: mesh.to_owned(), file: directory.path().join("mesh.toml"), _directory: directory };
        stage.write(sites);
        stage
    }

    fn write(&self, sites: &[(&str, u16, &str)]) {
        let mut text = format!("[mesh]\nname = \"{}\"\nloopbacks = \"10.255.0.0/16\"\n", self.mesh);
        for (name, id, rest) in sites {
            let key = PrivateKey::generate().public();
            text += &format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\n{rest}\n");
        }
        fs::write(&self.file, text).unwrap();
    }

    fn build(&self) -> Lab {
        let lab = Lab::of_file(&self.file, Path::new(WEFT)).unwrap();
        let _lock = State::lock().unwrap();
        lab.build(None).unwrap();
        lab
    }

    fn down(&self) -> up::Leftovers {
        let _lock = State::lock().unwrap();
        up::down(&self.mesh, Path::new(WEFT)).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _lock = State::lock();
        if State::of(&self.mesh).exists() {
            let _ = up::down(&self.mesh, Path::new(WEFT));
        }
    }
}

fn answers(namespace: &str, target: &str, patience: Duration) -> bool {
    let namespace = Namespace::existing(namespace).unwrap();
    let stream = Stream::start(&namespace, target.parse::<Ipv4Addr>().unwrap(), Duration::from_millis(20)).unwrap();
    wait_until(patience, || stream.log().last_answered().is_some())
}

fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::yield_now();
    }
    condition()
}

const SOON: Duration = Duration::from_secs(5);
/// Long enough for an answer that must not come.
const NEVER: Duration = Duration::from_millis(300);

const A: &str = "endpoint = \"203.0.113.1\"\nprefixes = [\"10.1.0.0/16\"]";
const B: &str = "endpoint = \"203.0.113.2\"\nprefixes = [\"10.2.0.0/16\", \"0.0.0.0/0\"]";
const BEHIND_NAT: &str = "prefixes = [\"10.3.0.0/16\"]";

#[test]
fn sites_reach_each_other_until_they_are_cut_and_again_when_healed() {
    let stage = Stage::new("labcut", &[("a", 1, A), ("b", 2, B), ("c", 3, BEHIND_NAT)]);
    let lab = stage.build();
    assert!(answers("labcut-a", "203.0.113.2", SOON));
    assert!(answers("labcut-a-lan", "10.1.0.1", SOON));
    assert!(answers("labcut-c", "203.0.113.1", SOON), "through the NAT router");
    assert!(!answers("labcut-a", "100.64.0.2", NEVER), "no way in through NAT");

    let (a, b, c) = (&lab.layout.sites[0], &lab.layout.sites[1], &lab.layout.sites[2]);
    cut::cut(&lab.layout, b, a).unwrap();
    cut::cut(&lab.layout, b, a).unwrap();
    assert!(!answers("labcut-a", "203.0.113.2", NEVER));
    assert!(!answers("labcut-b", "203.0.113.1", NEVER));
    assert!(answers("labcut-c", "203.0.113.1", SOON), "others are not cut");
    assert_eq!(cut::cuts(&lab.layout).unwrap(), BTreeSet::from([("a".to_owned(), "b".to_owned())]));

    cut::heal(&lab.layout, a, b).unwrap();
    assert!(answers("labcut-a", "203.0.113.2", SOON));
    cut::cut(&lab.layout, a, c).unwrap();
    assert!(!answers("labcut-c", "203.0.113.1", NEVER), "the NAT router's outside address is what is cut");
    cut::heal_all(&lab.layout).unwrap();
    assert!(answers("labcut-c", "203.0.113.1", SOON));
}

#[test]
fn a_command_that_finds_no_daemon_in_a_lab_says_how_to_ask_one() {
    let stage = Stage::new("labhere", &[("a", 1, A), ("b", 2, B)]);
    stage.build();
    let complaint = |namespace: &str| {
        let namespace = Namespace::existing(namespace).unwrap();
        let mut status = Command::new(WEFT);
        status.args(["status", "--run-dir", "/nonexistent"]).stdin(Stdio::null());
        let output = namespace.within(|| Ok(status.output()?)).unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let router = complaint("labhere-a");
    assert!(
        router.contains("router a of the lab labhere") && router.contains("`weft lab exec labhere a -- weft status`")
    );
    let host = complaint("labhere-b-lan");
    assert!(host.contains("labhere-b-lan, is no router of the lab labhere"), "{host}");
}

#[test]
fn the_internet_is_behind_the_site_that_has_the_default_route() {
    let stage = Stage::new("labinet", &[("a", 1, A), ("b", 2, B)]);
    let lab = stage.build();
    let internet = lab.layout.internet.unwrap().to_string();
    let router = Namespace::existing("labinet-b").unwrap();
    assert!(answers("labinet-b", &internet, SOON));
    router.within(|| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)).unwrap();
    assert!(answers("labinet-b-lan", &internet, SOON), "the LAN is masqueraded");
    let router = Namespace::existing("labinet-a").unwrap();
    router.within(|| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)).unwrap();
    assert!(!answers("labinet-a-lan", &internet, NEVER), "the other site does not masquerade");
}

#[test]
fn building_again_changes_nothing_and_an_edited_file_changes_only_what_differs() {
    let stage = Stage::new("labedit", &[("a", 1, A), ("b", 2, B), ("c", 3, BEHIND_NAT)]);
    stage.build();
    let links = |name: &str| {
        let mut netlink = netlink::Netlink::open(&Namespace::existing(name).unwrap()).unwrap();
        let links = netlink.links().unwrap();
        links.iter().map(|link| (link.name.clone(), link.index)).collect::<Vec<_>>()
    };
    let before = links("labedit-a");
    stage.build();
    assert_eq!(links("labedit-a"), before);

    // b moves, c gets an endpoint, d joins.
    let c = "endpoint = \"c.example.net\"\nprefixes = [\"10.3.0.0/16\"]";
    let b = "endpoint = \"203.0.113.22\"\nprefixes = [\"10.22.0.0/16\"]";
    stage.write(&[("a", 1, A), ("b", 2, b), ("c", 3, c), ("d", 4, "endpoint = \"203.0.113.4\"")]);
    stage.build();
    assert_eq!(links("labedit-a"), before);
    assert!(!Path::new("/run/netns/labedit-c-nat").exists());
    assert!(answers("labedit-a", "203.0.113.22", SOON));
    assert!(answers("labedit-d", "198.18.0.3", SOON), "c at the lab's own address");
    assert!(answers("labedit-b-lan", "10.22.0.1", SOON));
    assert!(!answers("labedit-b-lan", "10.2.0.1", NEVER));

    // c leaves.
    stage.write(&[("a", 1, A), ("b", 2, b), ("d", 4, "endpoint = \"203.0.113.4\"")]);
    stage.build();
    assert!(!Path::new("/run/netns/labedit-c").exists());
    assert!(!State::of("labedit").site("c").key_file().exists());
    assert!(answers("labedit-d", "203.0.113.1", SOON));
}

#[test]
fn down_leaves_nothing_even_of_a_lab_that_was_interrupted_while_it_was_built() {
    let stage = Stage::new("labdown", &[("a", 1, A), ("b", 2, B), ("c", 3, BEHIND_NAT)]);
    stage.build();
    // As if the power had failed halfway: a namespace that is a mere file, one that is missing.
    weft::lab::netns::delete("labdown-b").unwrap();
    fs::write("/run/netns/labdown-b", "").unwrap();
    weft::lab::netns::delete("labdown-c-nat").unwrap();
    let mut sleeper =
        Namespace::existing("labdown-a").unwrap().within(|| Ok(Command::new("sleep").arg("1000").spawn()?)).unwrap();
    let leftovers = stage.down();
    assert_eq!(leftovers.evicted, ["sleep"]);
    // Buried already if the eviction saw it end.
    assert!(
        sleeper.wait().is_ok_and(|status| !status.success()) || !Path::new(&format!("/proc/{}", sleeper.id())).exists()
    );
    assert_nothing_is_left("labdown");
}

/// A mesh in which a link can be lost, for the demo.
const TRIANGLE: [(&str, u16, &str); 3] = [
    ("a", 1, A),
    ("b", 2, "endpoint = \"203.0.113.2\"\nprefixes = [\"10.2.0.0/16\"]"),
    ("c", 3, "endpoint = \"203.0.113.3\""),
];

fn assert_nothing_is_left(mesh: &str) {
    assert!(!State::of(mesh).exists());
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let left: Vec<_> =
        names.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with(mesh)).collect();
    assert!(left.is_empty(), "{left:?}");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(mesh), "{mounts}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    let left: Vec<String> = ours.filter(|line| line.contains(&format!("/run/weft/lab/{mesh}/"))).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_tells_its_whole_story_and_leaves_nothing() {
    let stage = Stage::new("labdemo", &TRIANGLE);
    let output = Command::new(WEFT).args(["lab", "demo"]).arg(&stage.file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let steps: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for step in ["start", "adjacency", "ping", "cut", "reroute", "heal", "clean"] {
        assert!(steps.contains(&step), "{step} is missing:\n{told}");
    }
    assert!(told.contains("path a-lan > a > b > b-lan") && told.contains("path a-lan > a > c > b > b-lan"), "{told}");
    assert_nothing_is_left("labdemo");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    let stage = Stage::new("labstop", &TRIANGLE);
    let mut demo = Command::new(WEFT).args(["lab", "demo"]).arg(&stage.file).stdout(Stdio::null()).spawn().unwrap();
    assert!(wait_until(SOON, || State::of("labstop").site("b").log_file().exists()), "the demo does not start");
    let pid = nix::unistd::Pid::from_raw(demo.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_nothing_is_left("labstop");
}

#[test]
fn a_namespace_of_somebody_else_is_neither_used_nor_removed() {
    let stage = Stage::new("labforeign", &[("a", 1, A), ("b", 2, B)]);
    weft::lab::netns::prepare_directory().unwrap();
    let foreign = Namespace::create("labforeign-a").unwrap();
    let lab = Lab::of_file(&stage.file, Path::new(WEFT)).unwrap();
    let error = {
        let _lock = State::lock().unwrap();
        lab.build(None).unwrap_err()
    };
    assert!(format!("{error:#}").contains("labforeign-a that this lab did not make"), "{error:#}");
    stage.down();
    assert!(Path::new("/run/netns/labforeign-a").exists());
    weft::lab::netns::delete(foreign.name()).unwrap();
}

//! Network namespaces, a stand-in for the WireGuard engine, and desired state to try things with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::future::Future;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use nix::sched::{CloneFlags, setns, unshare};
use weft::kernel::{Kernel, Watch};
use weft::keys::PrivateKey;
use weft::net::{IfName, Prefix};
use weft::reconcile::state::{
    Admin, AllowedIps, Backend, Device, FWMARK, Link, MAIN_TABLE, Nexthop, Observed, ObservedDevice, ObservedPeer,
    Peer, Route, RouteKey, State, Traffic,
};
use weft::reconcile::sysctls::desired_sysctls;
use weft::reconcile::tunnels::{AllowedIpsChange, DeviceChange, Tunnels};
use weft::reconcile::{Applied, Failure, Planner, Step, plan};

/// The router's own address.
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

/// A network namespace; gone when this is dropped and nothing runs in it any more.
pub struct Namespace(File);

impl Namespace {
    /// A new one with `lo` up.
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: it has to run as root");
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("the kernel makes a network namespace");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = Self(namespace.join().unwrap());
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs something in it, on a thread of its own.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
            what()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs a future in it, on one thread.
    pub fn block_on<F: Future<Output = ()>>(&self, what: impl FnOnce() -> F + Send) {
        self.run(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what()));
    }

    /// `ip ARGUMENTS` in it; its output.
    pub fn ip(&self, arguments: &str) -> String {
        self.run(|| ip(arguments))
    }

    /// A path that names it to `ip link set … netns`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// `ip ARGUMENTS` in the namespace of this thread; its output.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    let output = output.expect("these tests need the `ip` program (package iproute2)");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// All of the namespace that people configure: links, IPv4 addresses, routes, rules, settings. Comparable. Leaves out what
/// the kernel changes by itself after a while, such as carrier and IPv6 addresses.
pub fn everything() -> String {
    let json = |arguments: &str| -> Vec<serde_json::Value> { serde_json::from_str(&ip(arguments)).unwrap() };
    let links = json("-j -d link show").into_iter().map(|mut link| {
        if let Some(bridge) = link["linkinfo"]["info_data"].as_object_mut() {
            bridge.retain(|key, _| !key.ends_with("_timer"));
        }
        let up = link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP");
        format!("{} {up} {} {} {}", link["ifname"], link["mtu"], link["ifalias"], link["linkinfo"])
    });
    let addresses = json("-j -4 address show").into_iter().map(|link| link["addr_info"].to_string());
    let routes = ip("-4 route show table all").replace(" linkdown", "");
    let mut settings = BTreeMap::new();
    for scope in std::fs::read_dir("/proc/sys/net/ipv4/conf").unwrap() {
        for key in ["forwarding", "rp_filter", "accept_redirects"] {
            let path = scope.as_ref().unwrap().path().join(key);
            settings.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
    let links: Vec<String> = links.chain(addresses).collect();
    format!("{}\n{routes}\n{}\n{settings:#?}", links.join("\n"), ip("rule show"))
}

/// A stand-in for the engine: a bare TUN device for each tunnel, and a memory of what was configured.
#[derive(Default)]
pub struct Engine {
    tuns: Mutex<BTreeMap<IfName, tun::Device>>,
    devices: Mutex<BTreeMap<IfName, ObservedDevice>>,
}

impl Engine {
    /// The tunnel's next packet; `None` if there is none now.
    pub fn receive(&self, interface: &IfName) -> Option<Vec<u8>> {
        let tuns = self.tuns.lock().unwrap();
        let tun = &tuns[interface];
        tun.set_nonblock().unwrap();
        let mut packet = [0; 2048];
        tun.recv(&mut packet).ok().map(|length| packet[..length].to_vec())
    }

    /// Has a packet come out of the tunnel.
    pub fn send(&self, interface: &IfName, packet: &[u8]) {
        let sent = self.tuns.lock().unwrap()[interface].send(packet).unwrap();
        assert_eq!(sent, packet.len());
    }

    /// Has every device be as if it had just been made.
    pub fn forget_keys(&self) {
        self.devices.lock().unwrap().clear();
    }

    /// What the tunnel's next packet is addressed to, skipping IPv6; `None` if there is no packet.
    pub fn next_destination(&self, interface: &IfName) -> Option<Ipv4Addr> {
        let tuns = self.tuns.lock().unwrap();
        let tun = &tuns[interface];
        tun.set_nonblock().unwrap();
        let mut packet = [0; 2048];
        while let Ok(length) = tun.recv(&mut packet) {
            if length >= 20 && packet[0] >> 4 == 4 {
                return Some(Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]));
            }
        }
        None
    }
}

impl Tunnels for Engine {
    async fn add_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        let mut tuns = self.tuns.lock().unwrap();
        let exists = std::fs::exists(format!("/proc/sys/net/ipv4/conf/{interface}"))?;
        if !exists {
            tuns.remove(interface);
            let tun = tun::Device::new(tun::configure().tun_name(interface.as_str()))?;
            tuns.insert(interface.clone(), tun);
        }
        Ok(())
    }

    async fn remove_userspace(&self, interface: &IfName) -> anyhow::Result<()> {
        self.tuns.lock().unwrap().remove(interface);
        self.devices.lock().unwrap().remove(interface);
        Ok(())
    }

    async fn rename_userspace(&self, from: &IfName, to: &IfName) -> anyhow::Result<()> {
        let mut tuns = self.tuns.lock().unwrap();
        if let Some(tun) = tuns.remove(from) {
            tuns.insert(to.clone(), tun);
        }
        let mut devices = self.devices.lock().unwrap();
        if let Some(device) = devices.remove(from) {
            devices.insert(to.clone(), device);
        }
        Ok(())
    }

    async fn configure(&self, interface: &IfName, change: &DeviceChange) -> anyhow::Result<()> {
        let mut devices = self.devices.lock().unwrap();
        let device = devices.entry(interface.clone()).or_insert_with(|| ObservedDevice {
            public_key: PrivateKey::generate().public(),
            listen_port: 0,
            fwmark: 0,
            peer: None,
            unmanaged: BTreeSet::new(),
            traffic: Traffic::default(),
        });
        if let Some(key) = &change.private_key {
            device.public_key = key.public();
        }
        device.listen_port = change.listen_port.unwrap_or(device.listen_port);
        device.fwmark = change.fwmark.unwrap_or(device.fwmark);
        if let Some(peer) = &change.peer {
            assert_eq!(peer.allowed_ips, AllowedIpsChange::AddEverything);
            device.peer = Some(ObservedPeer {
                public_key: peer.public_key,
                endpoint: peer.endpoint,
                keepalive_s: peer.keepalive_s.unwrap_or(0),
                allowed_ips: AllowedIps::Everything,
                preshared: None,
                handshake_age: None,
            });
        }
        Ok(())
    }

    async fn is_served(&self, interface: &IfName) -> anyhow::Result<bool> {
        Ok(self.tuns.lock().unwrap().contains_key(interface))
    }

    async fn observe(&self, interface: &IfName) -> anyhow::Result<Option<ObservedDevice>> {
        Ok(self.devices.lock().unwrap().get(interface).cloned())
    }
}

/// A router under test.
pub struct Router {
    pub kernel: Kernel,
    pub watch: Watch,
    pub planner: Planner,
    pub engine: Engine,
    run_dir: tempfile::TempDir,
}

impl Router {
    /// In the namespace of this thread.
    pub fn open() -> Self {
        Self::start(Engine::default(), tempfile::tempdir().unwrap())
    }

    /// The daemon crashes and is started again; the engine lives on.
    pub fn restart(self) -> Self {
        Self::start(self.engine, self.run_dir)
    }

    fn start(engine: Engine, run_dir: tempfile::TempDir) -> Self {
        let (kernel, watch) = Kernel::open("test", run_dir.path()).unwrap();
        Self { kernel, watch, planner: Planner::default(), engine, run_dir }
    }

    pub async fn observe(&mut self) -> Observed {
        self.kernel.look_at_filter().await;
        self.kernel.observe(&self.engine).await.unwrap()
    }

    /// Brings about what is wanted, with the settings that go with it.
    pub async fn reconcile(&mut self, desired: &State) -> Vec<Failure> {
        let mut observed = self.observe().await;
        let mut desired = desired.clone();
        desired.sysctls = desired_sysctls(desired.links.keys(), &observed.state.sysctls);
        self.reconcile_from(&desired, &mut observed).await
    }

    /// Brings about exactly what is wanted, from what was observed, and updates that.
    pub async fn reconcile_from(&mut self, desired: &State, observed: &mut Observed) -> Vec<Failure> {
        let plan = self.planner.plan(desired, observed, Instant::now());
        let executed = self.kernel.execute(&plan.steps, observed, &self.engine).await;
        observed.indexes = executed.indexes;
        self.planner.carried_out(plan, executed.outcomes, Some(desired), observed, Instant::now())
    }

    /// As [`Self::reconcile`], when what failed before may be tried again; nothing fails, and nothing is left to do.
    pub async fn settle(&mut self, desired: &State) {
        self.planner.try_everything();
        let failures: Vec<String> = self.reconcile(desired).await.iter().map(Failure::to_string).collect();
        assert_eq!(failures, Vec::<String>::new());
        assert_eq!(self.left_to_do(desired).await, Vec::<String>::new());
    }

    /// The plan as it stands, without the settings.
    pub async fn left_to_do(&mut self, desired: &State) -> Vec<String> {
        let observed = self.observe().await;
        plan(desired, &observed, &Applied::default()).iter().map(Step::to_string).collect()
    }

    /// What `weft down` does.
    pub async fn down(&mut self) {
        self.planner.try_everything();
        let mut observed = self.observe().await;
        let desired = State { sysctls: self.kernel.settings_to_restore(&observed), ..State::default() };
        let failures = self.reconcile_from(&desired, &mut observed).await;
        assert!(failures.is_empty(), "{failures:#?}");
        self.kernel.forget_settings().unwrap();
    }
}

pub fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// `wg-b` to site 2, `wg-c` to site 3 …
pub fn tunnel(id: u8) -> IfName {
    name(&format!("wg-{}", char::from(b'a' + id - 1)))
}

/// Tunnels to `sites`, without routes.
pub fn tunnels_to(sites: &[u8]) -> State {
    let mut state = State::default();
    state.addresses.insert((name("lo"), OWN));
    let private_key = PrivateKey::generate();
    for &id in sites {
        let peer =
            Peer { public_key: PrivateKey::generate().public(), endpoint: None, keepalive_s: 25, preshared: None };
        let device = Device { key: private_key.clone(), listen_port: 51820 + u16::from(id), fwmark: FWMARK, peer };
        state.links.insert(tunnel(id), Link { backend: Backend::Userspace, mtu: 1420, admin: Admin::Up });
        state.devices.insert(tunnel(id), device);
        state.addresses.insert((tunnel(id), OWN));
    }
    state
}

/// Adds a route over the tunnels to `via`.
pub fn add_route(state: &mut State, to: &str, via: &[u8]) {
    let nexthops = via.iter().map(|&id| Nexthop {
        interface: tunnel(id),
        via: Some(Ipv4Addr::new(10, 255, 0, id).into()),
        onlink: true,
    });
    let route = Route::unicast(nexthops, Some(OWN.into()));
    state.routes.insert(RouteKey { table: MAIN_TABLE, prefix: prefix(to) }, route);
}

//! A machine of its own as far as WireGuard can tell: a network namespace, and a mount namespace with a `/run` of its
//! own, so that UAPI sockets of one site are invisible to another.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use wireguard::{InterfaceName, Options};

/// Tells the test binary, run once more as an engine process, what to open.
const ENGINE_ARGUMENTS: &str = "WEFT_TEST_ENGINE";

const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps two namespaces alive; they go with it.
pub struct Site {
    holder: Child,
}

impl Site {
    pub fn new() -> Self {
        require_root();
        let holder = Command::new("unshare")
            .args(["--net", "--mount", "--kill-child", "sh", "-c"])
            .arg("mount -t tmpfs tmpfs /run && ip link set lo up && echo ready > /run/ready && exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("`unshare` of util-linux");
        let site = Self { holder };
        wait_until("the namespaces are set up", || site.try_run("test -e /run/ready").is_some());
        site
    }

    /// Runs `script` inside; panics if it fails.
    pub fn run(&self, script: &str) -> String {
        let Output { status, stdout, stderr } = self.shell(script).output().expect("`nsenter` of util-linux");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(status.success(), "`{script}`: {status}\n{}{}", text(&stdout), text(&stderr));
        text(&stdout)
    }

    /// Runs `script` inside; `None` if it fails.
    pub fn try_run(&self, script: &str) -> Option<String> {
        let output = self.shell(script).output().expect("`nsenter` of util-linux");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts `script` inside and leaves it running.
    pub fn spawn(&self, script: &str) -> Running {
        let child = self.shell(script).stdout(Stdio::piped()).spawn().expect("`nsenter` of util-linux");
        Running(child)
    }

    /// Starts an engine with these interfaces, and with a control socket at /run/engine.sock if wanted.
    pub fn engine(&self, interfaces: &[&str], control: ControlSocket) -> Running {
        let control = match control {
            ControlSocket::Yes => "/run/engine.sock",
            ControlSocket::No => "",
        };
        let mut command = self.enter(std::env::current_exe().unwrap().to_str().unwrap());
        command.args(["--exact", "site::engine_process", "--ignored", "--nocapture"]);
        command.env(ENGINE_ARGUMENTS, format!("{control} {}", interfaces.join(" "))).stdout(Stdio::null());
        let running = Running(command.spawn().unwrap());
        for name in interfaces {
            self.await_interface(name);
        }
        running
    }

    /// Waits until `wg` can talk to `interface`.
    pub fn await_interface(&self, interface: &str) {
        wait_until(&format!("{interface} is served"), || self.try_run(&format!("wg show {interface}")).is_some());
    }

    /// One value of `wg show IFACE dump`'s only peer line: public key, preshared key, endpoint, allowed ips, handshake,
    /// received, sent, keepalive.
    pub fn peer_field(&self, interface: &str, field: usize) -> String {
        let dump = self.run(&format!("wg show {interface} dump"));
        dump.lines().nth(1).and_then(|line| line.split('\t').nth(field)).unwrap_or_else(|| panic!("{dump}")).to_owned()
    }

    /// Writes a file inside.
    pub fn write(&self, path: &str, text: &str) {
        let mut child = self.shell(&format!("cat > {path}")).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = self.enter("bash");
        command.arg("-c").arg(script);
        command
    }

    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target", &self.holder.id().to_string(), program]);
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

pub enum ControlSocket {
    Yes,
    No,
}

/// A process that is killed when the test ends.
pub struct Running(Child);

impl Running {
    pub fn kill_9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits for its end: whether it was a good one, and what it printed.
    pub fn end(mut self) -> (bool, String) {
        let mut status = None;
        wait_until("the process ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        let text = self.0.stdout.take().map(|out| std::io::read_to_string(out).unwrap());
        (status.unwrap().success(), text.unwrap_or_default())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two sites with a veth between them: 192.0.2.1 and .2, 2001:db8::1 and ::2.
pub fn two_sites() -> (Site, Site) {
    let (a, b) = (Site::new(), Site::new());
    a.run(&format!("ip link add up0 type veth peer name up0 netns {}", b.pid()));
    for (site, number) in [(&a, 1), (&b, 2)] {
        site.run(&format!(
            "ip addr add 192.0.2.{number}/24 dev up0 && ip addr add 2001:db8::{number}/64 dev up0 nodad && \
             ip link set up0 up"
        ));
    }
    (a, b)
}

/// One end of a tunnel.
pub struct End<'a> {
    pub site: &'a Site,
    pub interface: &'a str,
    pub port: u16,
    pub address: &'a str,
}

/// Gives both ends fresh keys, each other as peer and an address, and brings them up. Only `a` knows where `b` is.
pub fn connect(a: &End<'_>, b: &End<'_>, endpoint_of_b: &str) {
    for end in [a, b] {
        end.site.run(&format!("umask 77; wg genkey > /run/{}.key", end.interface));
    }
    let public = |end: &End<'_>| end.site.run(&format!("wg pubkey < /run/{}.key", end.interface)).trim().to_owned();
    let (key_a, key_b) = (public(a), public(b));
    configure(b, &key_a, "");
    configure(a, &key_b, &format!("endpoint {endpoint_of_b} persistent-keepalive 25"));
}

fn configure(end: &End<'_>, peer: &str, rest: &str) {
    let End { site, interface, port, address } = end;
    site.run(&format!(
        "wg set {interface} private-key /run/{interface}.key listen-port {port} \
         peer {peer} allowed-ips 0.0.0.0/0,::/0 {rest} && \
         ip addr replace {address}/24 dev {interface} && ip link set {interface} mtu 1420 up"
    ));
}

/// Sends one ping after the other until one is answered.
pub fn await_ping(site: &Site, address: &str) {
    wait_until(&format!("{address} answers"), || site.try_run(&format!("ping -c 1 -W 1 {address}")).is_some());
}

pub fn wait_until(what: &str, mut good: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !good() {
        assert!(Instant::now() < deadline, "waited {} s in vain until {what}", PATIENCE.as_secs());
        std::thread::sleep(PAUSE);
    }
}

fn require_root() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it makes network namespaces and TUN devices");
    for (program, package) in [
        ("ip", "iproute2"),
        ("ss", "iproute2"),
        ("nsenter", "util-linux"),
        ("ping", "iputils-ping"),
        ("wg", "wireguard-tools"),
        ("wireguard-go", "wireguard-go"),
    ] {
        let found = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
        assert!(found, "this test needs `{program}`: install the package {package}");
    }
}

#[test]
#[ignore = "the body of the engine processes that the other tests start"]
fn engine_process() {
    let Ok(arguments) = std::env::var(ENGINE_ARGUMENTS) else { return };
    tracing_subscriber::fmt().with_env_filter("info,gotatun=off").with_writer(std::io::stderr).init();
    let (control, interfaces) = arguments.split_once(' ').unwrap();
    let options = Options {
        interfaces: interfaces.split_whitespace().map(|name| InterfaceName::new(name).unwrap()).collect(),
        uapi_dir: PathBuf::from(wireguard::engine::UAPI_DIR),
        control: (!control.is_empty()).then(|| PathBuf::from(control)),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(wireguard::engine::run(options, || None)).unwrap();
}

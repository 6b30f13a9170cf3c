//! A router in namespaces of its own, with an empty `/run`: its daemon, its files, and what it says of itself. Needs root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use weft::keys::PrivateKey;

/// For whatever a daemon does within a moment, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs `test` in network and mount namespaces of its own, with an empty `/run`.
pub fn alone(test: impl FnOnce() + Send) {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it makes namespaces and TUN devices");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let nothing = None::<&str>;
            mount(nothing, "/", nothing, MsFlags::MS_PRIVATE | MsFlags::MS_REC, nothing).unwrap();
            mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
            test();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Site `here` of a mesh with `others` other sites, whose machines are not there.
pub struct Router {
    dir: tempfile::TempDir,
    pub key: PrivateKey,
    pub run_dir: PathBuf,
    pub state_dir: PathBuf,
    daemon: Option<Child>,
}

impl Router {
    /// Files only; nothing runs. In the namespaces of this thread.
    pub fn new(others: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate();
        let mut mesh = format!(
            "[mesh]\nname = \"acme\"\nloopbacks = \"10.255.0.0/16\"\nbackend = \"userspace\"\n[ospf]\n\
             [[site]]\nname = \"here\"\nid = 1\npublic_key = \"{}\"\nendpoint = \"192.0.2.1\"\n",
            key.public()
        );
        for number in 0..others {
            let (id, public_key) = (number + 2, PrivateKey::generate().public());
            mesh += &format!("[[site]]\nname = \"s{id}\"\nid = {id}\npublic_key = \"{public_key}\"\n");
        }
        fs::write(dir.path().join("mesh.toml"), mesh).unwrap();
        key.save(&dir.path().join("site.key")).unwrap();
        Self { dir, key, run_dir: "/run/weft".into(), state_dir: "/run/state".into(), daemon: None }
    }

    /// Starts the daemon. Its log goes to `stderr`.
    pub fn start(&mut self, stderr: impl Into<Stdio>) {
        let mut command = self.command(&self.run_dir);
        command.stderr(stderr);
        self.daemon = Some(command.spawn().unwrap());
    }

    /// As [`Router::start`]; the log goes to a file.
    pub fn start_logging(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        self.start(log);
    }

    /// As [`Router::start_logging`], from a service manager that listens on `socket` and waits so long for a sign of life (sd_notify(3)).
    pub fn start_watched(&mut self, socket: &Path, patience: Duration) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.command(&self.run_dir);
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", patience.as_micros().to_string());
        self.daemon = Some(command.stderr(log).spawn().unwrap());
    }

    pub fn mesh_file(&self) -> PathBuf {
        self.dir.path().join("mesh.toml")
    }

    /// Changes the mesh file.
    pub fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.mesh_file()).unwrap();
        fs::write(self.mesh_file(), change(text)).unwrap();
    }

    /// The command that runs this router with further arguments.
    pub fn command(&self, run_dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.arg("run").arg(self.mesh_file()).arg("--key").arg(self.dir.path().join("site.key"));
        command.arg("--run-dir").arg(run_dir).arg("--state-dir").arg(&self.state_dir);
        command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        command.env_remove("JOURNAL_STREAM").stdin(Stdio::null());
        command
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("it was started").id()
    }

    /// The daemon's end, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.as_mut().expect("it was started").try_wait().unwrap()
    }

    /// `weft status --json`; `None` if nobody answers.
    pub fn status(&self) -> Option<Value> {
        let output = weft(&["status", "--json", "--run-dir", text(&self.run_dir)]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The problems of `weft status`, once there is an answer.
    pub fn problems(&mut self) -> Vec<String> {
        let status = self.wait_for("an answer to `weft status`", Self::status);
        status["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the kernel has the tunnel to site `s2`, set up: the daemon has done all that there is to do at a start.
    pub fn await_tunnel(&mut self) {
        self.wait_for("the tunnel", |_| {
            let shown = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            let route = fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap();
            (shown.contains("wg-s2:") && route.contains("10.255.0.1")).then_some(())
        });
    }

    /// Waits until `look` finds something; panics with the log if the daemon ends before.
    pub fn wait_for<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.ended();
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            assert!(ended.is_none(), "waiting for {what}: the daemon ended with {ended:?}\n{log}");
            assert!(Instant::now() < deadline, "waited in vain for {what}\n{log}");
            std::thread::sleep(PAUSE);
        }
    }

    /// `kill -9`, as a crash ends it.
    pub fn crash(&mut self) {
        let mut daemon = self.daemon.take().expect("it was started");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("it was started");
        kill(Pid::from_raw(i32::try_from(daemon.id()).unwrap()), Signal::SIGTERM).unwrap();
        daemon.wait().unwrap().code()
    }

    /// Waits for the end of a daemon that was told to end; its exit code.
    pub fn stopped(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("it was started");
        await_that("the daemon has ended", || daemon.try_wait().unwrap().is_some());
        daemon.wait().unwrap().code()
    }

    /// `weft down` with further arguments: its exit code, and what it complained of.
    pub fn down(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = weft(&[&["down", "--run-dir", text(&self.run_dir)], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for pid in inhabitants() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Waits until `so` holds.
pub fn await_that(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Processes in the network namespace of this thread, but for this one.
pub fn inhabitants() -> Vec<i32> {
    let here = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = i32::try_from(std::process::id()).unwrap();
    pids.filter(|pid| *pid != own && fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net == here))
        .collect()
}

/// The WireGuard engine in the network namespace of this thread.
pub fn engine() -> Option<i32> {
    inhabitants().into_iter().find(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|octet| *octet == 0).nth(1) == Some(b"engine")
    })
}

/// Runs the program to its end, in the namespaces of this thread.
pub fn weft(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_weft")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A directory of mode 0750, made with its parents.
pub fn directory(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o750)).unwrap();
}

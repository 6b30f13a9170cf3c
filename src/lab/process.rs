//! Programs in a lab: what they see, weft's daemons, and ending everything that runs in the lab.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::layout::router_namespace;
use super::netns::{Identity, Namespace};
use super::state::{SiteState, State, WIREGUARD_DIRECTORY};

/// How long a program may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a program that was asked to end may take, before it gets a signal.
const GRACE: Duration = Duration::from_millis(500);
/// How often to check whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What a program in a site's namespace sees at paths that belong to the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The view of weft: the site's own WireGuard sockets and hosts file.
    Daemon,
    /// The view of a person: in addition, `weft status` finds the site's daemon at its usual path, and /sys is that of the namespace.
    Shell,
}

/// Moves the calling thread into a namespace, with the private mounts of `site` if it is a site's router. Programs that the thread starts
/// inherit both.
pub fn enter(namespace: &Namespace, state: &State, site: Option<&SiteState>, view: View) -> Result<()> {
    namespace.enter()?;
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
    let private = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("making the mounts private")?;
    bind(&state.hosts_file(), Path::new("/etc/hosts"))?;
    if let Some(site) = site {
        bind(&site.wireguard_directory(), Path::new(WIREGUARD_DIRECTORY))?;
    }
    if view == View::Shell {
        if let Some(site) = site {
            bind(&site.run_directory(), Path::new("/run/weft"))?;
        }
        // /sys/class/net is that of the namespace in which sysfs was mounted. This is only a convenience, so errors are ignored.
        let _ = umount2("/sys", MntFlags::MNT_DETACH);
        let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>);
    }
    Ok(())
}

fn bind(what: &Path, over: &Path) -> Result<()> {
    mount(Some(what), over, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("mounting {} over {}", what.display(), over.display()))
}

/// A daemon, identified by process id and start time, which together are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daemon {
    pid: Pid,
    /// Clock ticks after boot (proc_pid_stat(5), field 22).
    started: u64,
}

impl Daemon {
    /// Starts weft for a site, detached from the terminal, with its output in the site's log file.
    pub fn start(program: &Path, state: &State, name: &str) -> Result<Self> {
        let site = state.site(name);
        let log = OpenOptions::new().create(true).append(true).open(site.log_file()).context("opening the log file")?;
        let mut command = Command::new(program);
        command.arg("run").arg(site.mesh_file()).arg("--key").arg(site.key_file());
        command.arg("--run-dir").arg(site.run_directory()).arg("--public-keys").arg(state.public_keys_file());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).current_dir("/");
        command.env_remove("NOTIFY_SOCKET");
        let child = in_site(state, name, || command.spawn().context("starting weft"))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a pid is positive")?);
        let started = Stat::of(pid).with_context(|| format!("weft of {name} ended at once"))?.started;
        let daemon = Self { pid, started };
        site.write_daemon_record(&format!("{pid} {started}\n"))?;
        Ok(daemon)
    }

    /// The site's daemon, if it is alive.
    pub fn of(site: &SiteState) -> Option<Self> {
        let text = fs::read_to_string(site.daemon_record()).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let daemon = Self { pid: Pid::from_raw(pid.parse().ok()?), started: started.parse().ok()? };
        daemon.alive().then_some(daemon)
    }

    /// Its process id.
    pub fn pid(self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether it still runs.
    pub fn alive(self) -> bool {
        match Stat::of(self.pid) {
            Some(stat) if stat.started == self.started && stat.ended => {
                // Reap it if this process started it; otherwise it is another process's child.
                let _ = waitpid(self.pid, Some(WaitPidFlag::WNOHANG));
                false
            }
            Some(stat) => stat.started == self.started,
            None => false,
        }
    }

    /// Makes it read its mesh file again.
    pub fn reload(self) -> Result<()> {
        kill(self.pid, Signal::SIGHUP).with_context(|| format!("sending SIGHUP to weft, pid {}", self.pid))
    }

    /// Ends it with SIGTERM, or with SIGKILL if that does not help.
    pub fn stop(self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if !self.alive() || kill(self.pid, signal).is_err() || until(PATIENCE, || !self.alive()) {
                return;
            }
        }
    }
}

/// Stops weft at a site, if it ever ran there: asks it to remove everything it created, and ends it if it does not stop.
pub fn stop(program: &Path, state: &State, name: &str) -> Result<()> {
    let site = state.site(name);
    if !site.log_file().exists() {
        return Ok(());
    }
    let daemon = Daemon::of(&site);
    let mut outcome = leave(program, state, name);
    if let Some(daemon) = daemon {
        until(PATIENCE, || !daemon.alive());
        daemon.stop();
    }
    if outcome.is_err() {
        // Without a daemon, `weft down` removes what the daemon has left.
        outcome = leave(program, state, name);
    }
    outcome
}

/// Runs `weft down` at a site.
fn leave(program: &Path, state: &State, name: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("down").arg("--run-dir").arg(state.site(name).run_directory()).stdin(Stdio::null());
    let output = in_site(state, name, || command.output().context("running weft down"))?;
    if !output.status.success() {
        bail!("`weft down` at {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Replaces this process by `command` inside a namespace of the lab. Returns only if that fails.
pub fn become_program(
    namespace: &Namespace,
    state: &State,
    site: Option<&SiteState>,
    command: &[impl AsRef<OsStr>],
) -> Result<std::convert::Infallible> {
    let (program, arguments) = command.split_first().context("no command was given")?;
    enter(namespace, state, site, View::Shell)?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("running {}", program.as_ref().display()))
}

fn in_site<T: Send>(state: &State, name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let namespace = Namespace::existing(&router_namespace(state.mesh(), name))?;
    let site = state.site(name);
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(&namespace, state, Some(&site), View::Daemon)?;
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Ends every process in the namespaces, and returns their names. A process that is ending already may finish by itself.
pub fn evict(namespaces: &BTreeSet<Identity>) -> Vec<String> {
    let mut names = Vec::new();
    until(GRACE, || inhabitants(namespaces).is_empty());
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let inhabitants = inhabitants(namespaces);
        if inhabitants.is_empty() {
            break;
        }
        for daemon in &inhabitants {
            if signal == Signal::SIGTERM {
                names.extend(
                    fs::read_to_string(format!("/proc/{}/comm", daemon.pid)).map(|name| name.trim().to_owned()),
                );
            }
            // It may have ended meanwhile.
            let _ = kill(daemon.pid, signal);
        }
        until(PATIENCE, || inhabitants.iter().all(|daemon| !daemon.alive()));
    }
    names
}

fn inhabitants(namespaces: &BTreeSet<Identity>) -> Vec<Daemon> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    pids.filter(|&pid| {
        let lives_in = Identity::of(Path::new(&format!("/proc/{pid}/ns/net")));
        pid != Pid::this() && lives_in.is_ok_and(|identity| namespaces.contains(&identity))
    })
    .filter_map(|pid| Some(Daemon { pid, started: Stat::of(pid)?.started }))
    .filter(|daemon| daemon.alive())
    .collect()
}

/// Makes this process the parent of its orphaned descendants, so that it can [`bury`] them.
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("becoming the parent of orphans")
}

/// Reaps the children of this process that have ended. Returns whether any child is left.
pub fn bury() -> bool {
    let none_left = || loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Ok(_) => {}
            Err(_) => return true,
        }
    };
    !until(GRACE, none_left)
}

/// Waits until `condition` holds, at most `patience`. Returns whether it does.
fn until(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// The fields of /proc/PID/stat that are needed here.
struct Stat {
    /// Whether it is a zombie, or dead.
    ended: bool,
    started: u64,
}

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may contain anything; the third field follows the last parenthesis.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        let started = fields.nth(18)?.parse().ok()?;
        Some(Self { ended, started })
    }
}

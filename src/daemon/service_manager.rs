//! Notifies the service manager, and finds out what it intends when it ends the daemon: systemd sends the same signal to stop it, to
//! restart it and at a shutdown of the machine. Only systemd's jobs show the difference.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::process::Command;
use tokio::time::timeout;
use tracing::{debug, warn};

/// The directory that exists if systemd is running (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The control groups of this process; systemd names them after its units.
const CONTROL_GROUPS: &str = "/proc/self/cgroup";

/// How long the service manager may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a notification waits for room in the service manager's socket.
const UNREAD_PATIENCE: Duration = Duration::from_millis(200);

/// Notifies the service manager, if there is one that has asked for it (sd_notify(3)). One that does not read its socket delays the daemon
/// for a moment only.
pub(super) fn notify(state: NotifyState<'_>) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(address.as_bytes(), &format!("{state}\n")) {
        warn!(%error, "the service manager was not notified");
    }
}

/// Sends a message to the socket with this path, or with this abstract name after an `@`.
fn send(address: &[u8], message: &str) -> io::Result<()> {
    let address = match address.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(OsStr::from_bytes(address))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(UNREAD_PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}

/// What happens after the daemon has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterExit {
    /// Another daemon starts, as far as is known.
    Restart,
    /// Nothing: the service or the machine is being stopped.
    Stop,
}

/// Determines what the service manager does after it has ended this process. If there is none that can be queried, another daemon may
/// follow.
pub(super) async fn after_exit() -> AfterExit {
    if !Path::new(BOOTED).is_dir() {
        return AfterExit::Restart;
    }
    let control_groups = fs::read_to_string(CONTROL_GROUPS).unwrap_or_default();
    let Some(unit) = unit(&control_groups) else { return AfterExit::Restart };
    let next = match jobs().await {
        Ok(jobs) => after_exit_by(&jobs, unit),
        Err(error) => {
            warn!(
                unit,
                error = format!("{error:#}"),
                "it is not known whether this is a restart; neighbours wait for one"
            );
            AfterExit::Restart
        }
    };
    debug!(unit, ?next, "asked the service manager");
    next
}

async fn jobs() -> anyhow::Result<String> {
    let mut command = Command::new("systemctl");
    command.args(["list-jobs", "--full", "--plain", "--no-legend", "--no-pager"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`systemctl list-jobs`: {}", complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the unit that a process with these control groups belongs to.
fn unit(control_groups: &str) -> Option<&str> {
    // Only systemd's own hierarchy counts, or the unified one: `0::/system.slice/weft.service`.
    let paths = control_groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        (controllers.is_empty() || controllers == "name=systemd").then_some(path)
    });
    let mut units = paths.flat_map(|path| path.split('/')).filter(|part| {
        let kind = part.rsplit_once('.').map(|(_, kind)| kind);
        matches!(kind, Some("service" | "scope"))
    });
    units.next_back()
}

/// Determines what follows from the list of jobs, with one job per line: number, unit, type and state.
fn after_exit_by(jobs: &str, unit: &str) -> AfterExit {
    let stops = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields.as_slice(), [_, of, "stop", ..] if *of == unit)
            || matches!(fields.as_slice(), [_, "shutdown.target", "start", ..])
    };
    if jobs.lines().any(stops) { AfterExit::Stop } else { AfterExit::Restart }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_service_manager_that_does_not_read_holds_up_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("weft-notify-{}", std::process::id());
        let managers = [
            (path.as_os_str().as_bytes().to_owned(), UnixDatagram::bind(&path).unwrap()),
            (
                format!("@{name}").into_bytes(),
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
            ),
        ];
        for (address, manager) in managers {
            let begin = Instant::now();
            // The kernel has room for so many (unix(7), max_dgram_qlen).
            let refused = (0..100_000).find_map(|_| send(&address, "WATCHDOG=1\n").err()).unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
            assert!(begin.elapsed() < Duration::from_secs(10));
            let mut octets = [0; 64];
            let length = manager.recv(&mut octets).unwrap();
            assert_eq!(&octets[..length], b"WATCHDOG=1\n");
        }
    }

    #[test]
    fn a_unit_is_known_by_the_control_group() {
        for (text, expected) in [
            ("0::/system.slice/weft.service\n", Some("weft.service")),
            ("0::/system.slice/system-weft.slice/weft@acme.service\n", Some("weft@acme.service")),
            ("0::/user.slice/user-0.slice/user@0.service/app.slice/weft.service\n", Some("weft.service")),
            ("0::/user.slice/user-0.slice/session-3.scope\n", Some("session-3.scope")),
            ("12:pids:/a.service\n1:name=systemd:/system.slice/weft.service\n0::/\n", Some("weft.service")),
            ("0::/\n", None),
            ("0::/docker/0123456789abcdef\n", None),
            ("", None),
        ] {
            assert_eq!(unit(text), expected, "{text}");
        }
    }

    #[test]
    fn a_job_tells_a_restart_from_a_stop_and_from_the_end_of_the_machine() {
        for (jobs, expected) in [
            ("", AfterExit::Restart),
            ("No jobs running.\n", AfterExit::Restart),
            ("811 weft.service restart running\n", AfterExit::Restart),
            ("811 weft.service stop running\n", AfterExit::Stop),
            ("811 other.service stop running\n", AfterExit::Restart),
            ("90 shutdown.target start waiting\n811 weft.service restart running\n", AfterExit::Stop),
            ("90 shutdown.target stop waiting\n", AfterExit::Restart),
        ] {
            assert_eq!(after_exit_by(jobs, "weft.service"), expected, "{jobs}");
        }
    }
}

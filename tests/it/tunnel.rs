//! WireGuard driven as the daemon does it: the engine is this package's own program. Needs root.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weft::keys::{PrivateKey, PublicKey};
use weft::net::IfName;
use weft::reconcile::state::{AllowedIps, Backend};
use weft::reconcile::tunnels::{AllowedIpsChange, DeviceChange, PeerChange, PresharedChange, Tunnels};
use weft::tunnel::{WireGuard, device};

const RUN_DIR: &str = "/run/weft";

/// Runs `test` in network and mount namespaces of its own, with an empty `/run`.
fn alone<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it makes namespaces and TUN devices");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let nothing = None::<&str>;
            mount(nothing, "/", nothing, MsFlags::MS_PRIVATE | MsFlags::MS_REC, nothing).unwrap();
            mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
            std::fs::create_dir(RUN_DIR).unwrap();
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn drivers() -> WireGuard {
    WireGuard::new(Path::new(RUN_DIR), env!("CARGO_BIN_EXE_weft").into())
}

fn interface(name: &str) -> IfName {
    IfName::new(name).unwrap()
}

fn first_configuration(key: &PrivateKey, peer: PublicKey) -> DeviceChange {
    DeviceChange {
        private_key: Some(key.clone()),
        listen_port: Some(51822),
        fwmark: Some(201),
        remove: Vec::new(),
        peer: Some(PeerChange {
            public_key: peer,
            endpoint: "192.0.2.2:51821".parse().ok(),
            keepalive_s: Some(25),
            allowed_ips: AllowedIpsChange::AddEverything,
            preshared: PresharedChange::Keep,
        }),
    }
}

#[test]
fn a_device_is_read_back_as_it_was_written_and_changed_piece_by_piece() {
    alone(async || {
        let (drivers, wg) = (drivers(), interface("wg-osaka"));
        drivers.add_userspace(&wg).await.unwrap();
        drivers.add_userspace(&wg).await.unwrap();
        assert!(drivers.observe(&wg).await.unwrap().is_none(), "it has no key yet");
        assert!(drivers.is_served(&wg).await.unwrap(), "but somebody serves it");

        let (key, peer) = (PrivateKey::generate(), PrivateKey::generate().public());
        drivers.configure(&wg, &first_configuration(&key, peer)).await.unwrap();
        let found = device::observe(&wg).await.unwrap().unwrap();
        assert_eq!(found.backend, Backend::Userspace);
        assert_eq!(found.device.public_key, key.public());
        assert_eq!((found.device.listen_port, found.device.fwmark), (51822, 201));
        let as_written = found.device.peer.unwrap();
        assert_eq!((as_written.public_key, as_written.keepalive_s), (peer, 25));
        assert_eq!(as_written.endpoint, "192.0.2.2:51821".parse().ok());
        assert_eq!((as_written.allowed_ips, as_written.handshake_age), (AllowedIps::Everything, None));

        let moved = PeerChange {
            public_key: peer,
            endpoint: "[2001:db8::2]:51821".parse().ok(),
            keepalive_s: None,
            allowed_ips: AllowedIpsChange::Keep,
            preshared: PresharedChange::Keep,
        };
        let change = DeviceChange { peer: Some(moved), ..DeviceChange::default() };
        drivers.configure(&wg, &change).await.unwrap();
        let device = drivers.observe(&wg).await.unwrap().unwrap();
        let after = device.peer.unwrap();
        assert_eq!(after.endpoint, "[2001:db8::2]:51821".parse().ok());
        assert_eq!((after.keepalive_s, after.allowed_ips), (25, AllowedIps::Everything));

        let other = PrivateKey::generate().public();
        let mut change = first_configuration(&key, other);
        change.remove = vec![peer];
        drivers.configure(&wg, &change).await.unwrap();
        let device = drivers.observe(&wg).await.unwrap().unwrap();
        assert_eq!(device.peer.map(|peer| peer.public_key), Some(other));
        assert!(device.unmanaged.is_empty(), "{:?}", device.unmanaged);
        drivers.engine().stop().await.unwrap();
    });
}

#[test]
fn what_does_not_exist_is_neither_found_nor_made() {
    alone(async || {
        let (drivers, wg) = (drivers(), interface("wg-none"));
        for name in ["wg-none", "lo"] {
            assert!(drivers.observe(&interface(name)).await.unwrap().is_none(), "{name}");
            assert!(!drivers.is_served(&interface(name)).await.unwrap(), "{name}");
        }
        drivers.remove_userspace(&wg).await.unwrap();
        assert!(drivers.engine().info().await.unwrap().is_none(), "nothing was started");
        let key = PrivateKey::generate();
        let error = drivers.configure(&wg, &first_configuration(&key, key.public())).await.unwrap_err();
        assert!(format!("{error:#}").starts_with("configuring WireGuard device wg-none: "), "{error:#}");
        assert_eq!(nix::net::if_::if_nametoindex("wg-none"), Err(nix::errno::Errno::ENODEV));
    });
}

#[test]
fn the_engine_outlives_one_daemon_and_is_found_by_the_next() {
    alone(async || {
        let wg = interface("wg-osaka");
        let first = drivers();
        first.add_userspace(&wg).await.unwrap();
        let before = first.engine().info().await.unwrap().unwrap();
        drop(first);

        let second = drivers();
        second.add_userspace(&interface("wg-seoul")).await.unwrap();
        let after = second.engine().info().await.unwrap().unwrap();
        assert_eq!(after.pid, before.pid);
        assert_eq!(after.interfaces.len(), 2);
        let pid = Pid::from_raw(i32::try_from(after.pid).unwrap());
        assert_eq!(nix::unistd::getsid(Some(pid)), Ok(pid), "a session of its own");

        second.engine().stop().await.unwrap();
        second.engine().stop().await.unwrap();
        assert!(second.engine().info().await.unwrap().is_none());
        assert_eq!(nix::net::if_::if_nametoindex("wg-osaka"), Err(nix::errno::Errno::ENODEV));
        assert!(!Path::new("/run/weft/engine.sock").exists());
    });
}

#[test]
fn two_tunnels_at_once_start_one_engine() {
    alone(async || {
        let drivers = drivers();
        let names: Vec<IfName> = (0..8).map(|number| interface(&format!("wg-{number}"))).collect();
        futures::future::try_join_all(names.iter().map(|name| drivers.add_userspace(name))).await.unwrap();
        assert_eq!(drivers.engine().info().await.unwrap().unwrap().interfaces.len(), 8);
        drivers.engine().stop().await.unwrap();
    });
}

#[test]
fn a_killed_engine_is_replaced_and_leaves_no_zombie() {
    alone(async || {
        let (drivers, wg) = (drivers(), interface("wg-osaka"));
        drivers.add_userspace(&wg).await.unwrap();
        let pid = drivers.engine().info().await.unwrap().unwrap().pid;
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
        let gone = async {
            while Path::new(&format!("/proc/{pid}")).exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("it is collected");
        assert!(drivers.observe(&wg).await.unwrap().is_none());

        drivers.add_userspace(&wg).await.unwrap();
        let key = PrivateKey::generate();
        drivers.configure(&wg, &first_configuration(&key, PrivateKey::generate().public())).await.unwrap();
        assert!(drivers.observe(&wg).await.unwrap().is_some());
        drivers.engine().stop().await.unwrap();
    });
}

#[test]
fn an_engine_that_dies_at_once_is_started_ever_more_rarely() {
    use std::os::unix::fs::PermissionsExt as _;
    alone(async || {
        let program = Path::new("/run/dying");
        std::fs::write(program, "#!/bin/sh\necho >> /run/starts\nexit 1\n").unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let drivers = WireGuard::new(Path::new(RUN_DIR), program.into());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(3);
        let mut tries = 0;
        // As link events would have it, however many there are.
        while std::time::Instant::now() < deadline {
            drivers.add_userspace(&interface("wg-osaka")).await.unwrap_err();
            tries += 1;
            tokio::task::yield_now().await;
        }
        let starts = std::fs::read_to_string("/run/starts").unwrap().lines().count();
        assert!((3..=6).contains(&starts), "{starts} starts of {tries} tries");
        let trouble = drivers.engine().trouble().unwrap();
        assert!(trouble.starts_with("the WireGuard engine ended "), "{trouble}");
        assert!(trouble.contains("next try in ") && trouble.ends_with("; see /run/weft/engine.log"), "{trouble}");
    });
}

/// Stops a process: all its threads, each of which may go on for a moment after the signal was sent.
fn stop(pid: Pid) {
    kill(pid, Signal::SIGSTOP).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let runs = |task: std::io::Result<std::fs::DirEntry>| {
        // A thread may have ended meanwhile. Its name, in parentheses, may contain anything.
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
        stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" T "))
    };
    while std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().any(runs) {
        assert!(std::time::Instant::now() < deadline, "the signal has no effect");
        std::thread::yield_now();
    }
}

#[test]
fn a_hung_engine_is_not_waited_for_and_is_killed() {
    alone(async || {
        let (drivers, wg) = (drivers(), interface("wg-osaka"));
        drivers.add_userspace(&wg).await.unwrap();
        let key = PrivateKey::generate();
        drivers.configure(&wg, &first_configuration(&key, PrivateKey::generate().public())).await.unwrap();
        let pid = Pid::from_raw(i32::try_from(drivers.engine().info().await.unwrap().unwrap().pid).unwrap());
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        stop(pid);
        let begin = std::time::Instant::now();
        for _ in 0..3 {
            let error = drivers.observe(&wg).await.unwrap_err();
            assert!(format!("{error:#}").ends_with("no answer within 1 s"), "{error:#}");
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(threads(), before, "no thread is left waiting");

        let watching = drivers.watch_engine();
        let gone = async {
            while Path::new(&format!("/proc/{pid}/exe")).exists() || drivers.engine().is_silent() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.expect("the watchdog kills it");
        watching.abort();
        drivers.add_userspace(&wg).await.unwrap();
        drivers.engine().stop().await.unwrap();
    });
}

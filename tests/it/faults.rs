//! A daemon under faults: a log that cannot be written, files and directories that are damaged, full or not to be had. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::router::{Router, alone, await_that, directory, engine, inhabitants, text};

/// Nothing of weft is in the namespace of this thread: no link, no address, and in a moment no process.
fn assert_nothing_left(why: &str) {
    let links = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let addresses = fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap();
    assert!(!links.contains("wg-"), "{why}: {links}");
    assert!(!addresses.contains("10.255."), "{why}: {addresses}");
    await_that("the engine has ended", || inhabitants().is_empty());
}

#[test]
fn a_log_that_cannot_be_written_ends_neither_daemon_nor_engine() {
    alone(|| {
        let mut router = Router::new(1);
        // The engine's log, too, has no room: it is a device that is always full.
        directory(&router.run_dir);
        symlink("/dev/full", router.run_dir.join("engine.log")).unwrap();
        router.start(File::options().write(true).open("/dev/full").unwrap());
        router.await_tunnel();
        let problems = router.problems();
        assert!(
            problems.iter().any(|problem| problem.contains("the log cannot be written (No space left")),
            "{problems:#?}"
        );
        let log = router.run_dir.join("engine.log");
        let cause =
            format!("the WireGuard engine's log {} cannot be written (Too many levels of symbolic", log.display());
        // `None` as long as there is no answer; then what the answer says of the engine's log.
        let named = |router: &Router| -> Option<Option<String>> {
            let status = router.status()?;
            let problems = status["problems"].as_array()?.iter().filter_map(|problem| problem.as_str());
            Some(problems.map(str::to_owned).find(|problem| problem.contains(&cause)))
        };
        let problem = router.wait_for("the engine's log to be named", |router| named(router)?);
        assert!(problem.contains(" lost so far; tunnels work without it. Make room for it"), "{problem}");
        // It can be written again, and the next line is.
        fs::remove_file(&log).unwrap();
        kill(Pid::from_raw(engine().expect("the engine runs")), Signal::SIGHUP).unwrap();
        router.wait_for("the engine's log to be well", |router| named(router)?.is_none().then_some(()));
        assert!(
            fs::read_to_string(&log).unwrap().contains(" lost: Too many levels of symbolic"),
            "the loss is counted"
        );
        router.crash();

        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        router.start(Stdio::from(writer));
        let problems = router.problems();
        assert!(
            problems.iter().any(|problem| problem.contains("the log cannot be written (Broken pipe")),
            "{problems:#?}"
        );
        assert_eq!(router.down(&[]).0, Some(0));
        router.stopped();
        assert_nothing_left("a closed pipe");
    });
}

#[test]
fn the_engine_keeps_its_log_small_and_a_sighup_does_not_end_it() {
    alone(|| {
        let mut router = Router::new(1);
        directory(&router.run_dir);
        let log = router.run_dir.join("engine.log");
        fs::write(&log, vec![b'x'; 1 << 20]).unwrap();
        router.start_logging();
        router.await_tunnel();
        let pid = engine().expect("the engine runs");
        assert!(fs::metadata(&log).unwrap().len() < 1 << 16, "it begins anew");
        assert_eq!(fs::metadata(log.with_extension("log.1")).unwrap().len(), 1 << 20);

        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        assert!(!name.contains("weft"), "`pkill -HUP weft` is meant for the daemon, not for {name}");
        kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
        router.wait_for("the engine to take the signal", |_| {
            fs::read_to_string(&log).unwrap().contains("SIGHUP").then_some(())
        });
        assert_eq!(engine(), Some(pid), "it lives on");
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

/// What is wrong with a directory before the daemon starts.
type Damage = (&'static str, fn(&Path));

/// Each of weft's files is damaged.
fn spoil(directory: &Path, spoil: impl Fn(&Path)) {
    for name in ["starts", "hosts.json", "router-ids", "sysctl.json", "restart", "mesh", "options", "filter", "lock"] {
        let path = directory.join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        spoil(&path);
    }
}

#[test]
fn damaged_files_keep_no_router_from_starting_and_none_from_leaving() {
    let damages: [Damage; 7] = [
        ("garbage", |dir| spoil(dir, |path| fs::write(path, b"\0\xff{[").unwrap())),
        ("empty", |dir| spoil(dir, |path| fs::write(path, "").unwrap())),
        ("directories", |dir| {
            spoil(dir, |path| {
                fs::create_dir(path).unwrap();
                fs::write(path.join("content"), "").unwrap();
            });
        }),
        ("links", |dir| spoil(dir, |path| symlink("/run/precious", path).unwrap())),
        ("pipes", |dir| spoil(dir, |path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap())),
        ("huge", |dir| spoil(dir, |path| File::create(path).unwrap().set_len(1 << 32).unwrap())),
        ("unreadable", |dir| {
            spoil(dir, |path| {
                fs::write(path, "?").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
            });
        }),
    ];
    alone(|| {
        fs::write("/run/precious", "precious").unwrap();
        let mut router = Router::new(1);
        for (name, damage) in damages {
            for dir in [&router.run_dir, &router.state_dir] {
                directory(dir);
                damage(dir);
            }
            router.start_logging();
            router.await_tunnel();
            let problems = router.problems();
            for file in ["state/hosts.json", "state/starts", "state/router-ids", "weft/sysctl.json", "weft/restart"] {
                let reported = problems.iter().any(|problem| problem.contains(&format!("{file} could not be used")));
                assert!(reported, "{name}: {file} is not named in {problems:#?}");
            }
            assert_eq!(router.stop(), Some(0), "{name}");
            // Once more with everything damaged while no daemon runs.
            damage(&router.run_dir);
            let (code, complaint) = router.down(&[]);
            assert_eq!(code, Some(0), "{name}: {complaint}");
            assert!(complaint.contains("net.ipv4.conf.all.forwarding = 1"), "{name}: {complaint}");
            assert_nothing_left(name);
            for dir in [&router.run_dir, &router.state_dir] {
                fs::remove_dir_all(dir).unwrap();
            }
        }
        assert_eq!(fs::read_to_string("/run/precious").unwrap(), "precious");
    });
}

/// Mounts a file system of 64 KiB over `path` and leaves no octet of it free.
fn full(path: &Path) {
    directory(path);
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("size=64k,mode=0750")).unwrap();
    let filler = fs::write(path.join("filler"), vec![0; 1 << 20]);
    assert_eq!(filler.map_err(|error| error.raw_os_error()), Err(Some(libc::ENOSPC)));
}

fn read_only(path: &Path) {
    directory(path);
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_RDONLY, Some("mode=0750")).unwrap();
}

#[test]
fn full_directories_keep_no_router_from_starting_and_none_from_leaving() {
    alone(|| {
        let mut router = Router::new(1);
        full(&router.run_dir);
        full(&router.state_dir);
        router.start_logging();
        router.await_tunnel();
        let problems = router.problems();
        for file in ["weft/mesh", "weft/sysctl.json", "state/starts"] {
            let reported =
                problems.iter().any(|problem| problem.contains(&format!("{file} cannot be written (No space left")));
            assert!(reported, "{file} is not named in {problems:#?}");
        }
        // What is wrong is made up for as soon as there is room.
        for dir in [&router.run_dir, &router.state_dir] {
            fs::remove_file(dir.join("filler")).unwrap();
        }
        router.wait_for("the notes", |router| {
            let problems = router.status()?["problems"].to_string();
            (!problems.contains("cannot be written")).then_some(())
        });
        assert_eq!(fs::read_to_string(router.run_dir.join("mesh")).unwrap(), "acme");
        router.crash();
        full(&router.run_dir);
        fs::remove_file(router.run_dir.join("filler")).unwrap();
        let socket = router.run_dir.join("engine.sock");
        await_that("the engine is to be found in the new directory", || socket.exists());
        assert_eq!(router.down(&["--mesh", "acme"]).0, Some(0));
        assert_nothing_left("a full directory");
    });
}

#[test]
fn a_router_runs_without_directories_and_with_a_wrong_one_tells_what_to_do() {
    alone(|| {
        let mut router = Router::new(1);
        read_only(&router.state_dir);
        fs::write("/run/file", "").unwrap();
        router.run_dir = "/run/file/weft".into();
        router.start_logging();
        let log = router.log();
        router.wait_for("the log to say so", |_| {
            let log = fs::read_to_string(&log).unwrap();
            (log.contains("no control socket") && log.contains("/run/state/starts")).then_some(())
        });
        // An address of the mesh: the reconcile loop runs.
        router.wait_for("the loopback address", |_| {
            fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap().contains("10.255.0.1").then_some(())
        });
        // With a place to put them, socket and tunnels come by themselves.
        fs::remove_file("/run/file").unwrap();
        router.await_tunnel();
        let problems = router.problems();
        assert!(
            problems.iter().any(|problem| problem.contains("state/starts cannot be written (Read-only")),
            "{problems:#?}"
        );
        fs::remove_file(router.run_dir.join("control.sock")).unwrap();
        router.wait_for("the socket to be made again", Router::status);
        router.crash();

        // Somebody else's run directory says nothing of this mesh.
        let mine = std::mem::replace(&mut router.run_dir, "/run/other".into());
        directory(&router.run_dir);
        let (code, complaint) = router.down(&[]);
        assert_eq!(code, Some(1));
        assert!(complaint.contains("links of acme are here: `weft down --mesh NAME`"), "{complaint}");
        router.run_dir = mine;
        assert_eq!(router.down(&[]).0, Some(0), "{}", text(&router.run_dir));
        assert_nothing_left("a crash");
    });
}

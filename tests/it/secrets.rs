//! Private keys in memory: how many copies there are of one, in the daemon and in the WireGuard engine. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use crate::router::{Router, alone, engine};

/// Copies that the daemon may have: the one that it keeps, and one on its way.
const DAEMON_COPIES: usize = 2;

/// Copies that the engine may have for each interface: the device's, its receiving task's and its peer's; and besides, for what threads
/// have in hand.
const ENGINE_COPIES_PER_INTERFACE: usize = 3;
const ENGINE_COPIES: usize = 4;

/// How often the devices are read before copies are counted.
const OBSERVATIONS: usize = 20;

/// How often `secret` is in the memory that a process can write to.
fn copies(pid: u32, secret: &[u8; 32]) -> usize {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let writable =
        maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|modes| modes.starts_with("rw")));
    let mut found = 0;
    for line in writable {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut content = vec![0; usize::try_from(to - from).unwrap()];
        // A part that has been unmapped meanwhile holds nothing.
        if memory.read_exact_at(&mut content, from).is_ok() {
            found += content.windows(secret.len()).filter(|window| window == secret).count();
        }
    }
    found
}

fn limit(pid: u32, name: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with(name)).unwrap().trim_start_matches(name).to_owned();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Open files of a process.
fn files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn a_tunnel_takes_three_open_files_of_the_engine() {
    let of_engine = |tunnels| {
        let mut count = 0;
        alone(|| {
            let mut router = Router::new(tunnels);
            router.start_logging();
            router.wait_for("all tunnels to be configured", |router| {
                let status = router.status()?;
                let waiting = status["tunnels"].as_array()?.iter().filter(|tunnel| tunnel["state"] == "waiting");
                (waiting.count() == usize::from(tunnels)).then_some(())
            });
            let engine = u32::try_from(engine().expect("the engine runs")).unwrap();
            // Somebody may be asking a question just now.
            count = (0..50).map(|_| files(engine)).min().unwrap();
            assert_eq!(router.down(&[]).0, Some(0));
        });
        count
    };
    assert_eq!(of_engine(6) - of_engine(2), 4 * 3);
}

#[test]
fn few_copies_of_the_private_key_are_in_memory_and_none_goes_to_a_core_file() {
    const TUNNELS: u16 = 4;
    alone(|| {
        let mut router = Router::new(TUNNELS);
        router.start_logging();
        router.await_tunnel();
        for _ in 0..OBSERVATIONS {
            router.problems();
        }
        let secret = router.key.to_bytes();
        let of_daemon = copies(router.pid(), &secret);
        assert!((1..=DAEMON_COPIES).contains(&of_daemon), "{of_daemon} copies in the daemon");
        let engine = u32::try_from(engine().expect("the engine runs")).unwrap();
        let of_engine = copies(engine, &secret);
        let most = ENGINE_COPIES_PER_INTERFACE * usize::from(TUNNELS) + ENGINE_COPIES;
        assert!((1..=most).contains(&of_engine), "{of_engine} copies in the engine, with {TUNNELS} tunnels");
        for pid in [router.pid(), engine] {
            assert_eq!(limit(pid, "Max core file size"), "0 0");
            let files = limit(pid, "Max open files");
            let (soft, hard) = files.split_once(' ').unwrap();
            assert_eq!(soft, hard, "open files of {pid}");
        }
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

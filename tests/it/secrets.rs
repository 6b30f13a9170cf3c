//! Private keys in memory: how many copies there are of one, in the daemon and in the WireGuard engine. Needs root.

use std::collections::BTreeSet;
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

/// Open files of a process, without the connections of those who ask it something just now.
fn files(pid: u32) -> usize {
    /// `SO_ACCEPTCON` in the column Flags of `/proc/net/unix`: a socket that listens.
    const LISTENS: &str = "00010000";
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links: Vec<String> =
        entries.filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.display().to_string())).collect();
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let of_clients: BTreeSet<String> = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() > 6 && columns[3] != LISTENS)
        .map(|columns| format!("socket:[{}]", columns[6]))
        .collect();
    links.iter().filter(|link| !of_clients.contains(*link)).count()
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
            // A connection that ends between two looks is counted.
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
        // While devices are read, each reading has a copy in hand.
        router.wait_for("few copies of the key in the daemon", |router| {
            (1..=DAEMON_COPIES).contains(&copies(router.pid(), &secret)).then_some(())
        });
        let engine = u32::try_from(engine().expect("the engine runs")).unwrap();
        let most = ENGINE_COPIES_PER_INTERFACE * usize::from(TUNNELS) + ENGINE_COPIES;
        router.wait_for("few copies of the key in the engine", |_| {
            (1..=most).contains(&copies(engine, &secret)).then_some(())
        });
        for pid in [router.pid(), engine] {
            assert_eq!(limit(pid, "Max core file size"), "0 0");
            let files = limit(pid, "Max open files");
            let (soft, hard) = files.split_once(' ').unwrap();
            assert_eq!(soft, hard, "open files of {pid}");
        }
        assert_eq!(router.down(&[]).0, Some(0));
    });
}

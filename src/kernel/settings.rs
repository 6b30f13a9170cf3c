//! Kernel settings below `/proc/sys/net/ipv4/conf`, and IPv6 settings of weft's own bridges, of the network namespace of the thread that
//! reads or writes; and the file with the original values of the IPv4 settings.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use netlink_packet_route::link::InetDevConf;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::net::IfName;
use crate::reconcile::state::{Scope, Sysctl, SysctlKey};
use crate::reconcile::sysctls::{Original, Originals, Sysctls};
use crate::state_file::{Outlives, Purpose, StateFile, Written};

const ROOT: &str = "/proc/sys/net/ipv4/conf";
const ROOT_IPV6: &str = "/proc/sys/net/ipv6/conf";

const PURPOSE: Purpose = Purpose {
    name: "sysctl.json",
    // A line has about 80 octets: this is enough for tens of thousands of interfaces.
    limit: 4 << 20,
    outlives: Outlives::Process,
    without: "once the daemon has ended, `weft down` does not know what kernel settings were before weft",
};

/// The time limit for writing a setting.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of settings that are written at the same time. A write that does not end keeps its thread, so this limits the number of such
/// threads, too.
const WRITES: usize = 4;

/// Reads every key of every scope. Values that a dump of links contains are taken from there, because a machine may have a thousand
/// interfaces. Interfaces that are deleted meanwhile are left out.
pub(super) fn read_all<'a>(interfaces: impl IntoIterator<Item = (&'a IfName, Option<InetDevConf>)>) -> Sysctls {
    let whole = [Scope::All, Scope::Default].map(|scope| (scope, None));
    let scopes = whole
        .into_iter()
        .chain(interfaces.into_iter().map(|(name, reported)| (Scope::Interface(name.clone()), reported)));
    let sysctls = scopes.flat_map(|(scope, reported)| {
        SysctlKey::ALL.map(|key| {
            let reported = reported.and_then(|reported| value_in(&reported, key));
            (Sysctl { scope: scope.clone(), key }, reported)
        })
    });
    sysctls
        .filter_map(|(sysctl, reported)| reported.or_else(|| read(&sysctl).ok()).map(|value| (sysctl, value)))
        .collect()
}

fn value_in(settings: &InetDevConf, key: SysctlKey) -> Option<u32> {
    let value = match key {
        SysctlKey::Forwarding => settings.forwarding,
        SysctlKey::RpFilter => settings.rp_filter,
        SysctlKey::AcceptRedirects => settings.accept_redirects,
    };
    u32::try_from(value).ok()
}

fn read(sysctl: &Sysctl) -> io::Result<u32> {
    let text = fs::read_to_string(path(sysctl))?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Writes one value. The kernel may delay the write while another process configures the network.
pub(super) async fn write(sysctl: &Sysctl, value: u32) -> io::Result<()> {
    static PLACES: Semaphore = Semaphore::const_new(WRITES);
    let path = path(sysctl);
    let written = async {
        let place = PLACES.acquire().await.map_err(io::Error::other)?;
        let write = move || {
            // Released when the kernel has taken the value, even if the caller has stopped waiting.
            let _place = place;
            fs::write(path, value.to_string())
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("not written within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, written).await.unwrap_or_else(|_elapsed| Err(late()))
}

fn path(sysctl: &Sysctl) -> PathBuf {
    Path::new(ROOT).join(sysctl.scope.to_string()).join(sysctl.key.name())
}

/// Enables IPv6 on a bridge of ours, so that it has IPv6 neighbour entries whatever the machine's default is, but makes it accept no
/// address and no route from routers behind it: a host of a segment could claim to be a router. Succeeds if the kernel has no IPv6.
pub(super) fn answer_for_others_only(bridge: &IfName) -> io::Result<()> {
    let scope = Path::new(ROOT_IPV6).join(bridge.as_str());
    for (key, value) in [("accept_ra", "0"), ("disable_ipv6", "0")] {
        match fs::write(scope.join(key), value) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// [`Originals`], with the file that outlives the daemon.
pub(super) struct Memory {
    file: StateFile,
    originals: Originals,
    /// Whether the file has been written, by this run or a previous one.
    noted: Noted,
}

/// Whether the original values have been written to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Yes,
    No,
}

impl Memory {
    /// Reads what a previous run left in `run_dir`; empty if there is no usable file.
    pub fn open(run_dir: &Path) -> Self {
        let mut file = StateFile::new(run_dir, &PURPOSE);
        let named: Option<BTreeMap<String, Original>> = file.read(|content| Ok(serde_json::from_slice(content)?));
        let noted = if named.is_some() { Noted::Yes } else { Noted::No };
        let known = named.into_iter().flatten();
        let originals = known.filter_map(|(name, original)| Some((name.parse().ok()?, original))).collect();
        Self { file, originals, noted }
    }

    pub fn originals(&self) -> &Originals {
        &self.originals
    }

    /// Returns whether there is no file of a previous run, or none that is usable.
    pub fn is_blank(&self) -> bool {
        self.noted == Noted::No || self.file.is_lost()
    }

    /// Replaces the stored originals by `originals`; they are on disk before this returns, if that is possible. An empty set is written,
    /// too: it shows that nothing was changed, which a missing file does not show.
    pub fn keep(&mut self, originals: Originals) {
        if originals == self.originals && self.noted == Noted::Yes {
            return;
        }
        let named: BTreeMap<String, &Original> =
            originals.iter().map(|(sysctl, original)| (sysctl.to_string(), original)).collect();
        let text = serde_json::to_vec_pretty(&named).expect("names and numbers are plain data");
        // If this write fails, it is tried again later.
        let _: Written = self.file.write(&text);
        self.originals = originals;
        self.noted = Noted::Yes;
    }

    /// Writes what could not be written before.
    pub fn retry(&mut self) {
        self.file.retry();
    }

    /// Returns the problems of the file that the operator has to know about.
    pub fn problems(&self) -> Vec<String> {
        self.file.problems()
    }

    /// Removes the file, after all values have been restored.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.originals = Originals::default();
        self.file.remove().with_context(|| format!("removing {}", self.file.path().display()))
    }
}

//! Kernel settings below `/proc/sys/net/ipv4/conf`, and those of IPv6 for weft's own bridges, of the network namespace of the
//! thread that reads or writes; and the file that remembers what the former were before weft.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use netlink_packet_route::link::InetDevConf;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::mesh::IfName;
use crate::reconcile::state::{Scope, Sysctl, SysctlKey};
use crate::reconcile::sysctls::{Original, Originals, Sysctls};
use crate::state_file::{Outlives, Purpose, StateFile, Written};

const ROOT: &str = "/proc/sys/net/ipv4/conf";
const ROOT_IPV6: &str = "/proc/sys/net/ipv6/conf";

const PURPOSE: Purpose = Purpose {
    name: "sysctl.json",
    // A line is some 80 octets: tens of thousands of interfaces.
    limit: 4 << 20,
    outlives: Outlives::Process,
    without: "once the daemon has ended, `weft down` does not know what kernel settings were before weft",
};

/// How long writing a setting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Settings that are being written at a time. A write that does not end keeps its thread: there are no more of those than this.
const WRITES: usize = 4;

/// Every key of every scope. What a dump of links has told already is taken from it: a machine may have a thousand interfaces. Those that
/// go meanwhile are left out.
pub(super) fn read_all<'a>(interfaces: impl IntoIterator<Item = (&'a IfName, Option<InetDevConf>)>) -> Sysctls {
    let whole = [Scope::All, Scope::Default].map(|scope| (scope, None));
    let scopes =
        whole.into_iter().chain(interfaces.into_iter().map(|(name, told)| (Scope::Interface(name.clone()), told)));
    let sysctls = scopes.flat_map(|(scope, told)| {
        SysctlKey::ALL.map(|key| {
            let told = told.and_then(|told| value_in(&told, key));
            (Sysctl { scope: scope.clone(), key }, told)
        })
    });
    sysctls.filter_map(|(sysctl, told)| told.or_else(|| read(&sysctl).ok()).map(|value| (sysctl, value))).collect()
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

/// Writes one value. The kernel may make whoever writes wait for whoever configures the network at the time.
pub(super) async fn write(sysctl: &Sysctl, value: u32) -> io::Result<()> {
    static PLACES: Semaphore = Semaphore::const_new(WRITES);
    let path = path(sysctl);
    let written = async {
        let place = PLACES.acquire().await.map_err(io::Error::other)?;
        let write = move || {
            // Taken back when the kernel has taken the value, whether or not somebody still waits for that.
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

/// Has a bridge of ours know IPv6 neighbours, whatever the machine has by default, but take no address and no route from routers that
/// are behind it: a host of a segment could call itself one. Good if the kernel has no IPv6.
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

/// [`Originals`] with the file that outlives the daemon.
pub(super) struct Memory {
    file: StateFile,
    originals: Originals,
    /// Whether the file has had, in our time or before it, what there is to remember.
    noted: Noted,
}

/// Whether originals are noted down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Yes,
    No,
}

impl Memory {
    /// What an earlier run left in `run_dir`; nothing if there is none to be used.
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

    /// Whether nothing was left by a run before, or nothing to be used.
    pub fn is_blank(&self) -> bool {
        self.noted == Noted::No || self.file.is_lost()
    }

    /// Keeps `originals` in place of the present ones; on disk before this returns, if that is possible. Also none at all is written
    /// down: then nothing was changed, which a missing file does not say.
    pub fn keep(&mut self, originals: Originals) {
        if originals == self.originals && self.noted == Noted::Yes {
            return;
        }
        let named: BTreeMap<String, &Original> =
            originals.iter().map(|(sysctl, original)| (sysctl.to_string(), original)).collect();
        let text = serde_json::to_vec_pretty(&named).expect("names and numbers are plain data");
        // What is not written now is tried again.
        let _: Written = self.file.write(&text);
        self.originals = originals;
        self.noted = Noted::Yes;
    }

    /// Writes what could not be written before.
    pub fn retry(&mut self) {
        self.file.retry();
    }

    /// What an operator should know of the file.
    pub fn problems(&self) -> Vec<String> {
        self.file.problems()
    }

    /// Removes the file: everything has been given back.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.originals = Originals::default();
        self.file.remove().with_context(|| format!("removing {}", self.file.path().display()))
    }
}

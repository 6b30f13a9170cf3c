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

const ROOT: &str = "/proc/sys/net/ipv4/conf";
const ROOT_IPV6: &str = "/proc/sys/net/ipv6/conf";

/// How long writing a setting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Settings that are being written at a time. A write that does not end keeps its thread: there are no more of those than this.
const WRITES: usize = 4;

/// Name of the file in RUN_DIR.
const FILE: &str = "sysctl.json";

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
    path: PathBuf,
    originals: Originals,
}

impl Memory {
    /// What an earlier run left in `run_dir`; nothing if there was none.
    pub fn open(run_dir: &Path) -> anyhow::Result<Self> {
        let path = run_dir.join(FILE);
        let originals = match fs::read(&path) {
            Ok(bytes) => {
                let named: BTreeMap<String, Original> =
                    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
                named.into_iter().filter_map(|(name, original)| Some((name.parse().ok()?, original))).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Originals::default(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        Ok(Self { path, originals })
    }

    pub fn originals(&self) -> &Originals {
        &self.originals
    }

    /// Keeps `originals` in place of the present ones; on disk before this returns.
    pub fn keep(&mut self, originals: Originals) -> anyhow::Result<()> {
        if originals == self.originals {
            return Ok(());
        }
        let named: BTreeMap<String, &Original> =
            originals.iter().map(|(sysctl, original)| (sysctl.to_string(), original)).collect();
        let text = serde_json::to_vec_pretty(&named).context("writing settings as JSON")?;
        let fresh = self.path.with_extension("json.new");
        fs::write(&fresh, text).with_context(|| format!("writing {}", fresh.display()))?;
        fs::rename(&fresh, &self.path).with_context(|| format!("writing {}", self.path.display()))?;
        self.originals = originals;
        Ok(())
    }

    /// Removes the file: everything has been given back.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.originals = Originals::default();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

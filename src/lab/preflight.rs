//! Checks what a lab needs of the machine, before anything is created.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use caps::{CapSet, Capability};

use crate::mesh::{BackendChoice, Mesh};

const NEEDED: [Capability; 3] = [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];
const TUN: &str = "/dev/net/tun";

/// Fails if something that the lab of `mesh` needs is missing, and says what.
pub fn check(mesh: &Mesh) -> Result<()> {
    check_privileges()?;
    for namespace in ["net", "mnt"] {
        if !Path::new("/proc/self/ns").join(namespace).exists() {
            bail!(
                "this kernel has no {namespace} namespaces (CONFIG_NAMESPACES, CONFIG_NET_NS), which a lab is made of"
            );
        }
    }
    if mesh.sites.iter().any(|site| site.backend != BackendChoice::Kernel) {
        File::options().read(true).write(true).open(TUN).with_context(|| {
            format!("opening {TUN}: the userspace tunnels of a lab need TUN devices (`modprobe tun`; in a container, pass the device)")
        })?;
    }
    Ok(())
}

/// Fails unless this process may create namespaces and change networks.
pub fn check_privileges() -> Result<()> {
    for capability in NEEDED {
        let has =
            caps::has_cap(None, CapSet::Effective, capability).context("asking for this process's capabilities")?;
        if !has {
            bail!(
                "a lab makes network namespaces and tunnels, which needs root ({capability} is missing): run it with sudo"
            );
        }
    }
    Ok(())
}

//! Drops all capabilities but those that a router needs: CAP_NET_ADMIN and CAP_NET_RAW.

use anyhow::Context as _;
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::debug;

/// Drops every capability but those two, also for the programs that weft starts.
///
/// Capabilities belong to threads, so this must be called before the first further thread starts.
///
/// # Errors
/// If one of the two is missing. The error names a remedy.
pub(super) fn drop_capabilities() -> anyhow::Result<()> {
    let needed = CapsHashSet::from([Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW]);
    let permitted = caps::read(None, CapSet::Permitted).context("reading our capabilities")?;
    anyhow::ensure!(
        needed.is_subset(&permitted),
        "weft needs CAP_NET_ADMIN and CAP_NET_RAW: run it as root, or from its systemd unit"
    );
    if permitted.contains(&Capability::CAP_SETPCAP) {
        let bounding = caps::read(None, CapSet::Bounding).context("reading the bounding set")?;
        for capability in bounding.difference(&needed) {
            caps::drop(None, CapSet::Bounding, *capability)
                .with_context(|| format!("dropping {capability} from the bounding set"))?;
        }
    }
    allow_real_time();
    let none = CapsHashSet::new();
    for (set, kept) in [(CapSet::Inheritable, &none), (CapSet::Effective, &needed), (CapSet::Permitted, &needed)] {
        caps::set(None, set, kept).with_context(|| format!("dropping capabilities from the {set:?} set"))?;
    }
    Ok(())
}

/// Lets the BFD process, which has no capability to do so, ask for the lowest real-time priority. If this is not permitted, it says so.
fn allow_real_time() {
    let raised = getrlimit(Resource::RLIMIT_RTPRIO).and_then(|(soft, hard)| match (soft, hard) {
        (0, 0) => setrlimit(Resource::RLIMIT_RTPRIO, 1, 1),
        (0, hard) => setrlimit(Resource::RLIMIT_RTPRIO, 1, hard),
        _ => Ok(()),
    });
    if let Err(error) = raised {
        debug!(%error, "the limit of real-time priorities was not raised");
    }
}

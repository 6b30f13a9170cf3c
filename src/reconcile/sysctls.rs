//! The kernel settings that a router with tunnels needs, and the restoration of their original values.
//!
//! This module is pure: values go in and come out. [`crate::kernel`] reads and writes `/proc/sys`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::state::{Observed, Scope, Sysctl, SysctlKey};
use super::step::Step;
use crate::net::IfName;

/// Values of settings, as read or as desired.
pub type Sysctls = BTreeMap<Sysctl, u32>;

/// Returns the settings that `tunnels` need, given the `present` values of every scope.
///
/// - Forwarding between all interfaces.
/// - No reverse path filter on tunnels: paths are asymmetric, and OSPF's first packets come from an address to which there is no route yet,
///   which even the loose filter refuses. The larger of the value of `all` and of the interface is in force. Therefore `all` becomes 0, and
///   its value is applied to every other interface and to `default`, so that nothing else changes.
/// - No ICMP redirects accepted from a tunnel: only OSPF decides about routes. (Sending needs no setting: the kernel sends redirects only
///   to sources on the link itself, and over a tunnel every source is behind a gateway.)
pub fn desired_sysctls<'a>(tunnels: impl IntoIterator<Item = &'a IfName>, present: &Sysctls) -> Sysctls {
    let mut desired = Sysctls::new();
    desired.insert(Sysctl { scope: Scope::All, key: SysctlKey::Forwarding }, 1);
    let all_filter = Sysctl { scope: Scope::All, key: SysctlKey::RpFilter };
    let filter_of_all = present.get(&all_filter).copied().unwrap_or(0);
    if filter_of_all != 0 {
        let others = present.iter().filter(|(sysctl, _)| sysctl.key == SysctlKey::RpFilter);
        desired.extend(others.map(|(sysctl, own)| (sysctl.clone(), filter_of_all.max(*own))));
    }
    desired.insert(all_filter, 0);
    for tunnel in tunnels {
        let own = |key| Sysctl { scope: Scope::Interface(tunnel.clone()), key };
        desired.insert(own(SysctlKey::Forwarding), 1);
        desired.insert(own(SysctlKey::RpFilter), 0);
        desired.insert(own(SysctlKey::AcceptRedirects), 0);
    }
    desired
}

/// Returns the names of settings, as `sysctl` has them, that had the desired value before and have another one now.
pub fn undone(desired: &Sysctls, before: &Sysctls, now: &Sysctls) -> Vec<String> {
    let is_undone = |(sysctl, value): &(&Sysctl, &u32)| {
        before.get(sysctl) == Some(value) && now.get(sysctl).is_some_and(|now| now != *value)
    };
    let undone = desired.iter().filter(is_undone);
    undone.map(|(sysctl, _)| format!("net.ipv4.conf.{}.{}", sysctl.scope, sysctl.key.name())).collect()
}

/// Returns the addresses of this machine to which a strict reverse path filter (`rp_filter` = 1) may apply: all but those on `lo`, if any
/// foreign interface has such a filter.
pub fn strictly_filtered(observed: &Observed) -> BTreeSet<Ipv4Addr> {
    let present = &observed.state.sysctls;
    let filter = |scope| present.get(&Sysctl { scope, key: SysctlKey::RpFilter }).copied().unwrap_or(0);
    let of_all = filter(Scope::All);
    let others = || observed.foreign.interfaces.iter().filter(|(name, _)| name.as_str() != "lo");
    if !others().any(|(name, _)| of_all.max(filter(Scope::Interface(name.clone()))) == 1) {
        return BTreeSet::new();
    }
    others().flat_map(|(_, interface)| &interface.addresses).map(|network| network.ip()).collect()
}

/// The original values of settings that weft has written, so that `weft down` can restore them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Originals(BTreeMap<Sysctl, Original>);

/// One setting that weft has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Original {
    /// The value before weft wrote it.
    pub was: u32,
    /// The value that weft wrote.
    pub set: u32,
}

impl Originals {
    /// Returns all settings that weft has written.
    pub fn iter(&self) -> impl Iterator<Item = (&Sysctl, &Original)> {
        self.0.iter()
    }

    /// Records the `present` values that `steps` will overwrite. The result has to be stored before the steps are carried out. Interfaces
    /// for which `ours` returns true are left out: their settings are deleted with them.
    pub fn remember(&mut self, steps: &[Step], present: &Sysctls, ours: impl Fn(&IfName) -> bool) {
        for step in steps {
            let Step::SetSysctl(sysctl, value) = step else { continue };
            self.remember_one(sysctl, *value, present, &ours);
            // Writing all/forwarding writes the value of every other scope.
            if *sysctl == (Sysctl { scope: Scope::All, key: SysctlKey::Forwarding }) {
                let others = present.keys().filter(|other| other.key == SysctlKey::Forwarding && *other != sysctl);
                for other in others {
                    self.remember_one(other, *value, present, &ours);
                }
            }
        }
    }

    fn remember_one(&mut self, sysctl: &Sysctl, set: u32, present: &Sysctls, ours: &impl Fn(&IfName) -> bool) {
        let Some(&now) = present.get(sysctl) else { return };
        if sysctl.scope.interface().is_some_and(ours) {
            return;
        }
        // A value that weft itself wrote is not the original; a value that another program has written since then is.
        let was = self.0.get(sysctl).filter(|known| known.set == now).map_or(now, |known| known.was);
        self.0.insert(sysctl.clone(), Original { was, set });
    }

    /// Returns the values to restore: those of the settings that still have the value that weft wrote.
    pub fn restoration(&self, present: &Sysctls) -> Sysctls {
        let ours = self.0.iter().filter(|(sysctl, original)| present.get(sysctl) == Some(&original.set));
        ours.map(|(sysctl, original)| (sysctl.clone(), original.was)).collect()
    }
}

impl FromIterator<(Sysctl, Original)> for Originals {
    fn from_iter<T: IntoIterator<Item = (Sysctl, Original)>>(originals: T) -> Self {
        Self(originals.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::state::ForeignInterface;

    fn values(text: &str) -> Sysctls {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn shown(values: &Sysctls) -> String {
        let pairs: Vec<String> = values.iter().map(|(sysctl, value)| format!("{sysctl}={value}")).collect();
        pairs.join(" ")
    }

    fn tunnel() -> IfName {
        IfName::new("wg-b").unwrap()
    }

    #[test]
    fn filter_of_all_moves_down_to_every_interface_but_the_tunnels() {
        let present = values("all/rp_filter=1 default/rp_filter=0 eth0/rp_filter=2 lo/rp_filter=0 wg-b/rp_filter=0");
        assert_eq!(
            shown(&desired_sysctls([&tunnel()], &present)),
            "all/forwarding=1 all/rp_filter=0 default/rp_filter=1 eth0/rp_filter=2 lo/rp_filter=1 \
             wg-b/forwarding=1 wg-b/rp_filter=0 wg-b/accept_redirects=0"
        );
    }

    #[test]
    fn interfaces_keep_their_own_filter_once_all_is_zero() {
        let present = values("all/rp_filter=0 default/rp_filter=1 eth0/rp_filter=2");
        assert_eq!(shown(&desired_sysctls([], &present)), "all/forwarding=1 all/rp_filter=0");
    }

    #[test]
    fn originals_are_what_was_there_before_weft_and_return_unless_somebody_wrote_since() {
        let mut originals = Originals::default();
        let set = |name: &str, value| Step::SetSysctl(name.parse().unwrap(), value);
        let present = values("all/forwarding=0 eth0/forwarding=1 eth1/forwarding=0 all/rp_filter=2 wg-b/rp_filter=2");
        let steps = [set("all/forwarding", 1), set("all/rp_filter", 0), set("wg-b/rp_filter", 0)];
        originals.remember(&steps, &present, |name| *name == tunnel());
        let after = values("all/forwarding=1 eth0/forwarding=1 eth1/forwarding=1 all/rp_filter=0 wg-b/rp_filter=0");
        originals.remember(&steps, &after, |name| *name == tunnel());
        assert_eq!(
            shown(&originals.restoration(&after)),
            "all/forwarding=0 all/rp_filter=2 eth0/forwarding=1 eth1/forwarding=0"
        );
        let meddled = values("all/forwarding=1 eth0/forwarding=0 eth1/forwarding=1 all/rp_filter=1");
        assert_eq!(shown(&originals.restoration(&meddled)), "all/forwarding=0 eth1/forwarding=0");
    }

    #[test]
    fn settings_that_another_program_wrote_are_named() {
        let desired = values("all/forwarding=1 all/rp_filter=0 wg-b/forwarding=1 wg-c/forwarding=1");
        let before = values("all/forwarding=1 all/rp_filter=1 wg-b/forwarding=1 wg-c/forwarding=1 eth0/forwarding=1");
        let now = values("all/forwarding=0 all/rp_filter=1 wg-b/forwarding=1 eth0/forwarding=0");
        assert_eq!(
            undone(&desired, &before, &now),
            ["net.ipv4.conf.all.forwarding"],
            "a link that is gone is none of them"
        );
    }

    #[test]
    fn strict_filter_on_any_interface_concerns_every_address_but_those_of_lo() {
        let mut observed = Observed::default();
        for (name, address) in [("lo", "127.0.0.1/8"), ("eth0", "203.0.113.1/24"), ("eth1", "10.1.0.1/24")] {
            let addresses = vec![address.parse().unwrap()];
            let interface = ForeignInterface { index: 1, mtu: 1500, running: true, addresses };
            observed.foreign.interfaces.insert(IfName::new(name).unwrap(), interface);
        }
        let both = BTreeSet::from(["203.0.113.1".parse().unwrap(), "10.1.0.1".parse().unwrap()]);
        observed.state.sysctls = values("all/rp_filter=0 eth0/rp_filter=1");
        assert_eq!(strictly_filtered(&observed), both);
        observed.state.sysctls = values("all/rp_filter=1 eth0/rp_filter=0 eth1/rp_filter=2");
        assert_eq!(strictly_filtered(&observed), both);
        observed.state.sysctls = values("all/rp_filter=2 eth0/rp_filter=1 eth1/forwarding=1");
        assert_eq!(strictly_filtered(&observed), BTreeSet::new());
    }
}

//! Checks of `existing_bridge` and `vlan` of `[[l2.site]]`: settings that conflict with a bridge that weft does not make. Which bridges
//! segments may share is checked in `segment_ports`.

use super::diagnostic::Diagnostic;
use super::reader::{At, Report, Setting};
use super::segment::{EXISTING_BRIDGE, MemberDraft, SegmentDraft};
use crate::net::IfName;

/// Reports keys that conflict with each other.
pub(super) fn check(segments: &[SegmentDraft<'_>], report: &mut Report) {
    for segment in segments {
        for member in &segment.sites {
            match &member.existing_bridge {
                Setting::Given(bridge) => check_existing(segment, member, bridge, report),
                Setting::Absent => check_vlan(member, report),
                Setting::Wrong => {}
            }
        }
        check_gateway(segment, report);
    }
}

fn check_existing(segment: &SegmentDraft<'_>, member: &MemberDraft<'_>, bridge: &At<IfName>, report: &mut Report) {
    if let Some(own) = member.own_bridge() {
        let title = format!("segment {} has two bridges at one site", segment.called());
        report.push(
            Diagnostic::error(own.span, title, "`bridge` is one that weft makes")
                .note(bridge.span, "`existing_bridge` is one that somebody else makes")
                .help("leave one of the two out"),
        );
    }
    if let Some(port) = member.ports.first() {
        let title = format!("`ports` of a bridge that weft does not make: {}", bridge.value);
        report.push(
            Diagnostic::error(port.span, title, "weft adds no port but its own to it")
                .note(bridge.span, "who makes it decides on its ports")
                .help(format!(
                    "leave `ports` out, and make the interface a port where the bridge is configured, or by hand: \
                     `ip link set {} master {}`",
                    port.value, bridge.value
                )),
        );
    }
}

fn check_vlan(member: &MemberDraft<'_>, report: &mut Report) {
    let Some(vlan) = member.vlan.given() else { return };
    report.push(
        Diagnostic::error(vlan.span, "`vlan` without an `existing_bridge`", "a VLAN of which bridge?").help(format!(
            "leave it out: a bridge that weft makes is for one segment and filters no VLANs; or name a bridge that does, as \
             in `{EXISTING_BRIDGE}`"
        )),
    );
}

/// Reports a gateway on an existing bridge: a gateway has one MAC address at all sites, which is that of the bridge.
fn check_gateway(segment: &SegmentDraft<'_>, report: &mut Report) {
    let Some(gateway) = segment.gateway.given() else { return };
    let Some(bridge) = segment.sites.iter().find_map(|member| member.existing_bridge.given()) else { return };
    report.push(
        Diagnostic::error(
            gateway.span,
            format!("segment {} has a `gateway` and an `existing_bridge`", segment.called()),
            "weft gives an address and a MAC address to bridges that it makes only",
        )
        .note(bridge.span, "this bridge is not weft's to change")
        .help(
            "leave `gateway` out, and have a host of the segment, or an address that you give to the bridge yourself, be the \
             gateway; or leave `existing_bridge` out",
        ),
    );
}

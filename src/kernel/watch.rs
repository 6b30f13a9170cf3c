//! Notifications of changes in the kernel. Of an interface, a notification says what it is like now ([`LinkEvent`]); of everything else it
//! says which kind of object changed, and the daemon observes and plans again. Changes of managed interfaces are distinguished from those
//! of unmanaged ones, because a machine may have a thousand others that come and go.
//!
//! The queue is the receive buffer of the socket. Notifications that arrive while nobody reads are combined by kind; if the buffer
//! overflows, the result is [`Change::Resync`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use netlink_packet_core::NLM_F_REPLACE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use rtnetlink::MulticastGroup;
use tracing::warn;
use vxlan::Mac;

use super::attention::{Attention, Interfaces, attribute, index_in};
use super::filter_watch::FilterWatch;
use super::netlink::OwnPort;
use super::observe::OthersRoutes;
use crate::mesh::VlanId;
use crate::net::{IfName, Prefix};
use crate::reconcile::carriers::{Followed, may_carry};
use crate::reconcile::filter::Ruleset;
use crate::reconcile::state::{Observed, PROTOCOL};

/// Receive buffer in octets: about ten thousand route messages.
const BUFFER: libc::c_int = 4 << 20;

/// The largest datagram that is read whole, in octets; the kernel's notifications are far smaller.
const DATAGRAM: usize = 32 << 10;

/// `<linux/if.h>`: the carrier at this moment, which IFF_RUNNING follows up to a second later.
const IFF_LOWER_UP: libc::c_int = 1 << 16;

/// `<linux/rtnetlink.h>`, `<linux/netconf.h>`
const RTNLGRP_IPV4_NETCONF: u32 = 24;
const RTM_NEWNETCONF: u16 = 80;

/// How many datagrams are read in a row before the changes are returned.
const BATCH: usize = 1024;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A managed interface was added or removed, or its flags, carrier, MTU or name changed.
    Links,
    /// An IPv4 address was added to or removed from such an interface.
    Addresses,
    /// An unmanaged interface changed, or its addresses.
    Unmanaged,
    /// A route of weft was removed, or a foreign one replaced it.
    Routes,
    /// A foreign route was added, removed or changed. If foreign routes are not observed, only default routes are reported.
    OthersRoutes,
    /// Such a change of a route on which a listed prefix that no interface carries may depend.
    Carriers,
    /// A rule was added or removed.
    Rules,
    /// An FDB entry or a permanent neighbour entry of a segment was added, removed or changed, by weft or another program.
    Entries,
    /// A bridge has learned a host on a port where it was not before.
    Learned {
        /// Index of the bridge port.
        port: u32,
        /// The MAC address of the host.
        mac: Mac,
        /// The VLAN; `None` if the bridge does not filter VLANs.
        vlan: Option<VlanId>,
    },
    /// A setting of a managed interface, or of all interfaces together, was written.
    Settings,
    /// The mesh's nftables tables were changed, by weft or another program.
    Filter,
    /// Notifications were lost: everything has to be observed again.
    Resync,
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The kinds of changes.
    pub kinds: BTreeSet<Change>,
    /// What managed interfaces are like now, by index; of several changes of one interface, the last. Each is one of
    /// [`Change::Links`], too: its other attributes have to be observed.
    pub links: BTreeMap<u32, LinkEvent>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

impl From<Change> for Changes {
    fn from(change: Change) -> Self {
        Self { kinds: BTreeSet::from([change]), links: BTreeMap::new() }
    }
}

/// A change of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    /// It does not exist any more.
    Gone,
    /// It exists, and has these flags.
    Flags(LinkFlags),
}

/// The flags of an interface on which it depends whether it carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFlags {
    /// IFF_UP: it is up administratively.
    pub up: bool,
    /// IFF_MULTICAST, which OSPF needs on a tunnel.
    pub multicast: bool,
    /// IFF_LOWER_UP and IFF_RUNNING: it has carrier, and may be used.
    pub carrier: bool,
}

/// Whether a call of [`Watch::attend`] added interfaces to the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attended {
    /// No: notifications about all of them were received before, too.
    Already,
    /// Yes: earlier notifications about them were missed.
    Anew,
}

/// A subscription to the kernel's notifications.
pub struct Watch {
    socket: TokioSocket,
    /// Shared with a future that waits for it.
    filter: Option<Arc<FilterWatch>>,
    /// Port of the socket that weft's own requests come from.
    own_port: Arc<OwnPort>,
    others: OthersRoutes,
    /// Prefixes that foreign routes may carry, and those of them that nothing else carries.
    followed: Followed,
    left_to_routes: BTreeSet<Prefix>,
    segments: Attention,
    interfaces: Interfaces,
    buffer: Vec<u8>,
}

impl Watch {
    /// Subscribes to the kernel's notifications. Everything that changes from now on is reported, except routes that are changed through
    /// `own_port`.
    pub(super) fn open(own_port: Arc<OwnPort>, mesh: &str) -> anyhow::Result<Self> {
        let groups =
            [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv4Route, MulticastGroup::Ipv4Rule];
        let mask = groups.into_iter().fold(0, |mask, group| mask | 1 << (group as u32 - 1));
        let mask = mask | 1 << (RTNLGRP_IPV4_NETCONF - 1);
        let mut watch = TokioSocket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
        let socket = watch.socket_mut();
        socket.bind(&SocketAddr::new(0, mask)).context("subscribing to the kernel's notifications")?;
        // The kernel limits the size to rmem_max; a smaller buffer only makes `Resync` more likely.
        socket.set_rx_buf_sz(BUFFER).context("enlarging the netlink socket's buffer")?;
        let (others, segments, interfaces) = (OthersRoutes::default(), Attention::default(), Interfaces::default());
        // A kernel without nf_tables has no tables that could change.
        let filter = FilterWatch::open(Ruleset::table(mesh)).map(Arc::new).ok();
        let buffer = Vec::with_capacity(DATAGRAM);
        let (followed, left_to_routes) = (Followed::default(), BTreeSet::new());
        Ok(Self { socket: watch, filter, own_port, others, followed, left_to_routes, segments, interfaces, buffer })
    }

    /// Sets the names of the managed interfaces besides those that weft has created, whether or not they exist. Before the first call all
    /// interfaces are managed.
    pub fn manage(&mut self, names: BTreeSet<IfName>) {
        self.interfaces.managed = Some(names);
    }

    /// Sets whether changes of foreign routes are reported from now on.
    pub fn learn(&mut self, others: OthersRoutes) {
        self.others = others;
    }

    /// Sets the prefixes that foreign routes may carry, from the next [`Self::attend`] on.
    pub fn follow(&mut self, followed: Followed) {
        self.followed = followed;
    }

    /// Reports changes of the entries of the segments in `observed` from now on, and hosts that their bridges learn.
    ///
    /// # Errors
    /// If the kernel refuses the subscription.
    pub fn attend(&mut self, observed: &Observed) -> io::Result<Attended> {
        self.interfaces.find(observed);
        self.left_to_routes = self.followed.left_to_routes(&observed.foreign.interfaces);
        let segments = Attention::of(observed);
        if segments.is_to_interfaces_of(&self.segments) {
            self.segments = segments;
            return Ok(Attended::Already);
        }
        let socket = self.socket.socket_ref();
        match (self.segments.is_empty(), segments.is_empty()) {
            (true, false) => socket.add_membership(libc::RTNLGRP_NEIGH)?,
            (false, true) => socket.drop_membership(libc::RTNLGRP_NEIGH)?,
            (true, true) | (false, false) => {}
        }
        self.segments = segments;
        Ok(Attended::Anew)
    }

    /// Returns what has changed since the last call; waits until there is a change. Weft's own changes to links, addresses and rules are
    /// included, those to routes are not. The future may be dropped at any time.
    pub async fn changed(&mut self) -> io::Result<Changes> {
        let filter = self.filter.clone();
        let filter_changed = async {
            match &filter {
                Some(filter) => filter.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changes = self.configuration_changed() => changes,
            changed = filter_changed => {
                if let Err(error) = changed {
                    warn!(%error, "no more notifications of nftables; its ruleset is looked at now and then");
                    self.filter = None;
                }
                Ok(Change::Filter.into())
            }
        }
    }

    /// Describes the process that changed the mesh's nftables tables last.
    pub fn filter_author(&self) -> Option<String> {
        self.filter.as_ref()?.author()
    }

    async fn configuration_changed(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        let mut read = 0;
        let mut drain = Drain::UpToBatch;
        loop {
            self.buffer.clear();
            // It waits only while there are no changes to return, so that dropping the future loses nothing.
            let received = if changes.is_empty() {
                self.socket.recv(&mut self.buffer).await
            } else {
                self.socket.socket_ref().recv(&mut self.buffer, libc::MSG_DONTWAIT).map(|_| ())
            };
            read += 1;
            match received {
                Ok(()) => {
                    let own_port = self.own_port.number();
                    let subject = Subject {
                        own_port,
                        others: self.others,
                        left_to_routes: &self.left_to_routes,
                        segments: &self.segments,
                        interfaces: &self.interfaces,
                    };
                    subject.read(&self.buffer, &mut changes);
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    changes.kinds.insert(Change::Resync);
                    drain = Drain::ToTheEnd;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if drain == Drain::UpToBatch && read >= BATCH && !changes.is_empty() {
                return Ok(changes);
            }
        }
    }
}

/// How much of the queue is read before the changes are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    /// [`BATCH`] datagrams, or more while they contain no change.
    UpToBatch,
    /// All of it. Once the queue has overflowed, the kernel drops all notifications silently until the queue has been empty: an observation
    /// before that would miss later changes. The loop ends, because nothing is queued meanwhile.
    ToTheEnd,
}

/// The filter for notifications.
struct Subject<'a> {
    own_port: u32,
    others: OthersRoutes,
    left_to_routes: &'a BTreeSet<Prefix>,
    segments: &'a Attention,
    interfaces: &'a Interfaces,
}

impl<'a> Subject<'a> {
    /// Adds what the messages of a datagram say. What is cut short, or gives a wrong length, ends the datagram.
    fn read(self, mut datagram: &[u8], changes: &mut Changes) {
        const HEADER: usize = 16;
        while let Some(header) = datagram.first_chunk::<HEADER>() {
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let flags = u16::from_ne_bytes([header[6], header[7]]);
            let port = u32::from_ne_bytes([header[12], header[13], header[14], header[15]]);
            let Some(body) = datagram.get(HEADER..length) else { return };
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            match self.change_of(kind, flags, body) {
                Some(Change::Routes) if port == self.own_port => {}
                Some(change) => {
                    changes.kinds.insert(change);
                    let event = (change == Change::Links).then(|| link_event(kind, body)).flatten();
                    changes.links.extend(event);
                }
                None => {}
            }
        }
    }

    fn change_of(&self, kind: u16, flags: u16, body: &[u8]) -> Option<Change> {
        let interfaces = self.interfaces;
        match kind {
            libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => self.segments.change_of(kind, body),
            libc::RTM_NEWLINK | libc::RTM_DELLINK if !interfaces.manage_link(body) => Some(Change::Unmanaged),
            libc::RTM_NEWADDR | libc::RTM_DELADDR if !interfaces.manage_address(body) => Some(Change::Unmanaged),
            RTM_NEWNETCONF if interfaces.manage_settings(body) => Some(Change::Settings),
            RTM_NEWNETCONF => Some(Change::Unmanaged),
            _ => match change_of(kind, flags, body) {
                Some(Change::OthersRoutes) if self.is_carrier(body) => Some(Change::Carriers),
                Some(Change::OthersRoutes) if self.others == OthersRoutes::Ignored && !is_default_route(body) => None,
                change => change,
            },
        }
    }

    /// Returns whether RTM_NEWROUTE or RTM_DELROUTE with this body is about a route of the main table on which a listed prefix may depend.
    fn is_carrier(&self, body: &[u8]) -> bool {
        /// Octets of `struct rtmsg`, and the positions of rtm_dst_len and rtm_table in it.
        const HEADER: usize = 12;
        const RTM_DST_LEN: usize = 1;
        const RTM_TABLE: usize = 4;
        let Some((header, attributes)) = body.split_at_checked(HEADER).filter(|_| !self.left_to_routes.is_empty())
        else {
            return false;
        };
        let destination: Option<[u8; 4]> =
            attribute(attributes, libc::RTA_DST).and_then(|octets| octets.try_into().ok());
        // A default route has no destination attribute.
        let destination = Ipv4Addr::from(destination.unwrap_or_default());
        let length = header[RTM_DST_LEN];
        header[RTM_TABLE] == libc::RT_TABLE_MAIN
            && length <= 32
            && self.left_to_routes.iter().any(|prefix| may_carry(*prefix, Prefix::new(destination, length)))
    }
}

/// Returns the index of the interface that RTM_NEWLINK or RTM_DELLINK with this body is about, and what it is like; `None` if the body is
/// cut short, or if only a bridge has something to say of its port.
fn link_event(kind: u16, body: &[u8]) -> Option<(u32, LinkEvent)> {
    /// Positions of ifi_family and ifi_flags in `struct ifinfomsg`.
    const IFI_FAMILY: usize = 0;
    const IFI_FLAGS: std::ops::Range<usize> = 8..12;
    let flags = u32::from_ne_bytes(body.get(IFI_FLAGS)?.try_into().ok()?).cast_signed();
    // A bridge uses RTM_DELLINK for a port that leaves it.
    let of_interface = i32::from(*body.get(IFI_FAMILY)?) == libc::AF_UNSPEC;
    let has = |wanted| flags & wanted == wanted;
    let event = match kind {
        _ if !of_interface => return None,
        libc::RTM_DELLINK => LinkEvent::Gone,
        _ => LinkEvent::Flags(LinkFlags {
            up: has(libc::IFF_UP),
            multicast: has(libc::IFF_MULTICAST),
            carrier: has(libc::IFF_RUNNING | IFF_LOWER_UP),
        }),
    };
    Some((index_in(body)?, event))
}

/// Returns whether RTM_NEWROUTE or RTM_DELROUTE with this body is about a default route, in any table: uplinks depend on it.
fn is_default_route(body: &[u8]) -> bool {
    /// Position of rtm_dst_len in `struct rtmsg`.
    const RTM_DST_LEN: usize = 1;
    body.get(RTM_DST_LEN) == Some(&0)
}

/// Returns what a notification means. Of a route only the protocol and type are read: on a machine with BGP, most routes are not relevant.
fn change_of(kind: u16, flags: u16, body: &[u8]) -> Option<Change> {
    /// Positions of rtm_protocol and rtm_type in `struct rtmsg`.
    const RTM_PROTOCOL: usize = 5;
    const RTM_TYPE: usize = 7;
    let protocol = body.get(RTM_PROTOCOL).copied();
    // Routes that the kernel creates itself follow its addresses, whose changes are notified anyway.
    let made = protocol.is_some_and(|protocol| protocol != PROTOCOL && protocol != libc::RTPROT_KERNEL)
        && !matches!(body.get(RTM_TYPE).copied(), Some(libc::RTN_LOCAL | libc::RTN_BROADCAST | libc::RTN_MULTICAST));
    match kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => Some(Change::Links),
        libc::RTM_NEWADDR | libc::RTM_DELADDR => Some(Change::Addresses),
        libc::RTM_NEWRULE | libc::RTM_DELRULE => Some(Change::Rules),
        libc::RTM_DELROUTE if protocol == Some(PROTOCOL) => Some(Change::Routes),
        libc::RTM_NEWROUTE => {
            let replaced = flags & NLM_F_REPLACE != 0 && protocol != Some(PROTOCOL);
            if replaced { Some(Change::Routes) } else { made.then_some(Change::OthersRoutes) }
        }
        libc::RTM_DELROUTE => made.then_some(Change::OthersRoutes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 7;

    /// A notification as the kernel sends it, padded to four bytes.
    fn message(kind: u16, flags: u16, port: u32, body: &[u8]) -> Vec<u8> {
        let length = 16 + body.len();
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(length).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(port.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(length.next_multiple_of(4), 0);
        bytes
    }

    fn route(protocol: u8) -> [u8; 13] {
        let mut body = [0; 13];
        body[1] = 24;
        body[5] = protocol;
        body
    }

    fn changes(datagram: &[u8]) -> Vec<Change> {
        kinds(datagram, OthersRoutes::Ignored, &BTreeSet::new())
    }

    fn kinds(datagram: &[u8], others: OthersRoutes, left_to_routes: &BTreeSet<Prefix>) -> Vec<Change> {
        read(datagram, others, left_to_routes).kinds.into_iter().collect()
    }

    fn read(datagram: &[u8], others: OthersRoutes, left_to_routes: &BTreeSet<Prefix>) -> Changes {
        let (segments, interfaces) = (&Attention::default(), &Interfaces::default());
        let mut changes = Changes::default();
        Subject { own_port: OWN, others, left_to_routes, segments, interfaces }.read(datagram, &mut changes);
        changes
    }

    /// `struct ifinfomsg` of interface 7.
    fn link(family: libc::c_int, flags: libc::c_int) -> Vec<u8> {
        let mut body = vec![0; 16];
        body[0] = u8::try_from(family).unwrap();
        body[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        body[8..12].copy_from_slice(&flags.to_ne_bytes());
        body
    }

    #[test]
    fn a_link_event_has_the_last_flags_of_the_interface() {
        let all = libc::IFF_UP | libc::IFF_MULTICAST | libc::IFF_RUNNING | IFF_LOWER_UP;
        let flags = |up, multicast, carrier| Some(LinkEvent::Flags(LinkFlags { up, multicast, carrier }));
        for (kind, family, value, expected) in [
            (libc::RTM_NEWLINK, libc::AF_UNSPEC, all, flags(true, true, true)),
            (libc::RTM_NEWLINK, libc::AF_UNSPEC, all & !libc::IFF_RUNNING, flags(true, true, false)),
            (libc::RTM_NEWLINK, libc::AF_UNSPEC, all & !IFF_LOWER_UP, flags(true, true, false)),
            (libc::RTM_NEWLINK, libc::AF_UNSPEC, libc::IFF_UP, flags(true, false, false)),
            (libc::RTM_NEWLINK, libc::AF_UNSPEC, 0, flags(false, false, false)),
            (libc::RTM_DELLINK, libc::AF_UNSPEC, all, Some(LinkEvent::Gone)),
            (libc::RTM_DELLINK, libc::AF_BRIDGE, all, None),
            (libc::RTM_NEWLINK, libc::AF_BRIDGE, 0, None),
        ] {
            // It was up before.
            let before = message(libc::RTM_NEWLINK, 0, 9, &link(libc::AF_UNSPEC, all));
            let after = message(kind, 0, 9, &link(family, value));
            let found = read(&[before, after].concat(), OthersRoutes::Ignored, &BTreeSet::new());
            let expected = expected.or(flags(true, true, true));
            assert_eq!(found.links.get(&7).copied(), expected, "{kind} {family} {value:#x}");
            assert_eq!(found.kinds, BTreeSet::from([Change::Links]), "it is looked at, too");
        }
    }

    #[test]
    fn routes_of_others_count_where_they_are_of_interest_and_the_kernels_own_never_do() {
        let noticed = |kind, protocol, rtm_type| {
            let mut body = route(protocol);
            body[7] = rtm_type;
            kinds(&message(kind, 0, 9, &body), OthersRoutes::Observed, &BTreeSet::new())
        };
        assert_eq!(noticed(libc::RTM_NEWROUTE, libc::RTPROT_STATIC, libc::RTN_UNICAST), [Change::OthersRoutes]);
        assert_eq!(noticed(libc::RTM_DELROUTE, 12, libc::RTN_BLACKHOLE), [Change::OthersRoutes]);
        assert_eq!(noticed(libc::RTM_NEWROUTE, libc::RTPROT_KERNEL, libc::RTN_UNICAST), []);
        assert_eq!(noticed(libc::RTM_NEWROUTE, libc::RTPROT_STATIC, libc::RTN_LOCAL), []);
        assert_eq!(noticed(libc::RTM_NEWROUTE, PROTOCOL, libc::RTN_UNICAST), []);
        assert_eq!(noticed(libc::RTM_DELROUTE, PROTOCOL, libc::RTN_UNICAST), [Change::Routes]);
    }

    #[test]
    fn routes_of_others_that_may_carry_a_prefix_are_told_apart_whether_or_not_all_are_of_interest() {
        let left: BTreeSet<Prefix> = ["10.1.0.0/16", "0.0.0.0/0"].map(|text| text.parse().unwrap()).into();
        let noticed = |destination: &str, table, protocol| {
            let destination: Prefix = destination.parse().unwrap();
            let mut body = vec![2, destination.len(), 0, 0, table, protocol, 0, libc::RTN_UNICAST, 0, 0, 0, 0];
            if destination != Prefix::DEFAULT_V4 {
                body.extend([8, 0, 1, 0]);
                body.extend(destination.v4().unwrap().0.octets());
            }
            let message = message(libc::RTM_DELROUTE, 0, 9, &body);
            [OthersRoutes::Observed, OthersRoutes::Ignored].map(|others| kinds(&message, others, &left))
        };
        let main = libc::RT_TABLE_MAIN;
        let (carrier, other) = (vec![Change::Carriers], vec![Change::OthersRoutes]);
        assert_eq!(noticed("0.0.0.0/0", 100, 12), [other.clone(), other.clone()], "that of an uplink");
        assert_eq!(noticed("10.1.5.0/24", main, 12), [carrier.clone(), carrier.clone()]);
        assert_eq!(noticed("10.1.0.0/16", main, 12), [carrier.clone(), carrier.clone()]);
        assert_eq!(noticed("0.0.0.0/0", main, libc::RTPROT_BOOT), [carrier.clone(), carrier]);
        assert_eq!(noticed("10.0.0.0/8", main, 12), [other.clone(), vec![]]);
        assert_eq!(noticed("10.1.5.0/24", 100, 12), [other, vec![]]);
        assert_eq!(noticed("10.1.5.0/24", main, libc::RTPROT_KERNEL), [vec![], vec![]]);
        assert_eq!(noticed("10.1.5.0/24", main, PROTOCOL), [vec![Change::Routes], vec![Change::Routes]]);
    }

    #[test]
    fn every_message_of_a_datagram_counts() {
        let datagram = [
            message(libc::RTM_NEWLINK, 0, 0, &[0; 17]),
            message(libc::RTM_DELADDR, 0, 9, &[]),
            message(libc::RTM_NEWRULE, 0, OWN, &[0; 4]),
        ];
        assert_eq!(changes(&datagram.concat()), [Change::Links, Change::Addresses, Change::Rules]);
    }

    #[test]
    fn routes_count_if_ours_go_or_are_pushed_aside_by_others() {
        assert_eq!(changes(&message(libc::RTM_DELROUTE, 0, 9, &route(PROTOCOL))), [Change::Routes]);
        assert_eq!(changes(&message(libc::RTM_DELROUTE, 0, OWN, &route(PROTOCOL))), []);
        assert_eq!(changes(&message(libc::RTM_DELROUTE, 0, 9, &route(12))), []);
        assert_eq!(changes(&message(libc::RTM_NEWROUTE, NLM_F_REPLACE, 9, &route(12))), [Change::Routes]);
        assert_eq!(changes(&message(libc::RTM_NEWROUTE, 0, 9, &route(12))), []);
    }

    #[test]
    fn whatever_is_cut_or_lies_about_its_length_ends_the_datagram() {
        let good = message(libc::RTM_NEWLINK, 0, 0, &[0; 17]);
        for cut in 0..good.len() - 3 {
            assert_eq!(changes(&good[..cut]), [], "{cut} bytes");
        }
        for length in [0_u32, 15, 1000, u32::MAX] {
            let mut bytes = good.clone();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(changes(&bytes), [], "length {length}");
        }
    }
}

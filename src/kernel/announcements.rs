//! Receives announcements of addresses on a port: gratuitous ARP and unsolicited neighbour advertisements.
//!
//! A bridge does not forward them to a VXLAN port with `neigh_suppress`, and a VXLAN device with `proxy` would drop them. They are
//! therefore received here, before the bridge processes them.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::reconcile::overlay::Tagging;
use crate::sys::{every_packet_of, register_descriptor};

/// Length of the longest frame that is read, in octets: Ethernet and IPv6 headers, an advertisement and some options.
const LONGEST: usize = 256;

/// Size of the socket's receive buffer in octets: enough for a few hundred frames.
const BUFFER: usize = 256 << 10;

/// Verdicts of the filter: how many octets of a frame it accepts.
const WHOLE: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// Offsets at which a filter loads values that are not in the frame itself: its direction, whether it has a VLAN tag, and the tag.
const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
const VLAN_TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
const VLAN_TAG: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG) as u32;
/// The direction of frames that this machine sends.
const OUTGOING: u32 = libc::PACKET_OUTGOING as u32;

/// Receives the announcements on one interface.
#[derive(Debug)]
pub struct AnnouncementListener(AsyncFd<OwnedFd>);

impl AnnouncementListener {
    /// Listens on the interface with this index, in the network namespace of this thread. Frames are read without their VLAN tag.
    ///
    /// # Errors
    /// Without CAP_NET_RAW or the address family AF_PACKET, and if there is no such interface.
    pub fn open(index: u32, tagging: Tagging) -> io::Result<Self> {
        // The socket has no protocol until it is bound: it receives nothing from other interfaces, and nothing before it has the filter.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
        socket.attach_filter(&filter(tagging))?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.bind(&every_packet_of(index)?)?;
        Ok(Self(register_descriptor(socket.into())?))
    }

    /// Waits for the next frame that may be an announcement. Cancel safe.
    ///
    /// # Errors
    /// If the interface is gone or down.
    pub async fn next(&self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; LONGEST];
        loop {
            let mut ready = self.0.readable().await?;
            match recv(self.0.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                Ok(octets) => {
                    frame.truncate(octets);
                    return Ok(frame);
                }
                Err(nix::errno::Errno::EAGAIN) => ready.clear_ready(),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The socket's filter. It accepts ARP in which sender and target have the same address, and neighbour advertisements, if they have no
/// VLAN tag, a priority tag (IEEE 802.1Q §6.9.1), or the tag of the segment. It refuses frames that this machine sends on the port. The
/// reader checks everything else.
fn filter(tagging: Tagging) -> [SockFilter; 21] {
    const NEXT: u8 = 0;
    const BODY: usize = 8;
    const ACCEPT: usize = 19;
    const REFUSE: usize = 20;
    /// The VLAN identifier in a tag.
    const VLAN: u32 = 0x0fff;
    let load = |width: u32, offset| SockFilter::new((libc::BPF_LD | width | libc::BPF_ABS) as u16, 0, 0, offset);
    let jump = |operand: u32, value, then, otherwise| {
        SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | operand) as u16, then, otherwise, value)
    };
    // The offset of a jump counts from the instruction that follows the jump.
    let to = |target: usize, at: usize| (target - at - 1) as u8;
    let done = |verdict| SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, verdict);
    let untagged = if tagging.untagged_in { BODY } else { REFUSE };
    // Without a tag of the segment, the value compared is larger than the mask, so that no frame matches.
    let tag = tagging.tag.map_or(u32::MAX, |vlan| vlan.value().into());
    [
        load(libc::BPF_B, PACKET_TYPE),
        jump(libc::BPF_K, OUTGOING, to(REFUSE, 1), NEXT),
        load(libc::BPF_B, VLAN_TAG_PRESENT),
        jump(libc::BPF_K, 0, to(untagged, 3), NEXT),
        load(libc::BPF_H, VLAN_TAG),
        SockFilter::new((libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, 0, 0, VLAN),
        jump(libc::BPF_K, 0, to(untagged, 6), NEXT),
        jump(libc::BPF_K, tag, NEXT, to(REFUSE, 7)),
        // The EtherType.
        load(libc::BPF_H, 12),
        jump(libc::BPF_K, 0x0806, NEXT, to(14, 9)),
        // ARP: the sender's address against the target's.
        load(libc::BPF_W, 28),
        SockFilter::new((libc::BPF_MISC | libc::BPF_TAX) as u16, 0, 0, 0),
        load(libc::BPF_W, 38),
        jump(libc::BPF_X, 0, to(ACCEPT, 13), to(REFUSE, 13)),
        // IPv6: the next header and the ICMPv6 type.
        jump(libc::BPF_K, 0x86dd, NEXT, to(REFUSE, 14)),
        load(libc::BPF_B, 20),
        jump(libc::BPF_K, 58, NEXT, to(REFUSE, 16)),
        load(libc::BPF_B, 54),
        jump(libc::BPF_K, 136, to(ACCEPT, 18), to(REFUSE, 18)),
        done(WHOLE),
        done(NOTHING),
    ]
}

//! Makes a bridge forget the learned port of a host that is not in the table and announces itself at another site.
//!
//! A bridge does not learn from its VXLAN port, so that no host at another site can attract frames for a host of the table. But if a host
//! leaves this site, as the virtual MAC address of VRRP does, the bridge would send its frames to the old port until the entry has aged,
//! for five minutes. Once the bridge has forgotten the host, it floods frames for it (`unknown_unicast = "flood"`), and learns its port
//! again if it is here.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinHandle;
use tracing::debug;
use vxlan::segment::UnknownUnicast;
use vxlan::{Announcement, Mac, Vni};

use super::carrier::Pace;
use crate::kernel::{AnnouncementListener, Learned};
use crate::mesh::{L2, VlanId};
use crate::reconcile::overlay::Tagging;

/// The VXLAN device on which announcements from other sites of a segment are received.
#[derive(Debug, Clone)]
pub(super) struct Inlet {
    /// Index of the segment's VXLAN device, which is a port of the bridge.
    pub index: u32,
    /// The VLAN of the bridge that belongs to the segment.
    pub vlan: Option<VlanId>,
    /// The segment.
    pub l2: Arc<L2>,
}

impl Inlet {
    /// Whether frames can follow a host that has left: only if the segment floods unknown unicast.
    pub(super) fn is_needed(l2: &L2) -> bool {
        l2.segment.unknown_unicast == UnknownUnicast::Flood
    }

    fn is(&self, other: &Self) -> bool {
        (self.index, self.vlan) == (other.index, other.vlan) && Arc::ptr_eq(&self.l2, &other.l2)
    }
}

/// Receives announcements on the VXLAN devices of all segments.
#[derive(Debug, Default)]
pub(super) struct Arrivals(BTreeMap<Vni, Listening>);

#[derive(Debug)]
struct Listening {
    inlet: Inlet,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Arrivals {
    /// Listens on these devices from now on, and on no others. If listening on a device failed, it is tried again.
    pub(super) fn set(&mut self, inlets: BTreeMap<Vni, Inlet>, learned: &Learned) {
        let goes_on = |vni: &Vni, listening: &Listening| {
            inlets.get(vni).is_some_and(|inlet| inlet.is(&listening.inlet)) && !listening.task.is_finished()
        };
        self.0.retain(|vni, listening| goes_on(vni, listening));
        for (vni, inlet) in inlets {
            self.0.entry(vni).or_insert_with(|| {
                let (at, learned) = (inlet.clone(), learned.clone());
                let task = tokio::spawn(async move {
                    let Err(error) = listen(&at, &learned).await;
                    debug!(segment = at.l2.name, %error, "announcements of other sites are not listened to");
                });
                Listening { inlet, task }
            });
        }
    }
}

async fn listen(inlet: &Inlet, learned: &Learned) -> io::Result<std::convert::Infallible> {
    let listener = AnnouncementListener::open(inlet.index, Tagging::NONE)?;
    let mut pace = Pace::default();
    loop {
        let frame = listener.next().await?;
        let Some(announcement) = Announcement::parse(&frame) else { continue };
        // Frames that arrive faster wait in the socket's buffer, and are lost if it is full.
        tokio::time::sleep(pace.delay(Instant::now())).await;
        for mac in hosts(&frame, announcement).filter(|mac| !inlet.l2.segment.hosts.contains_key(mac)) {
            match learned.forget_elsewhere(inlet.index, mac, inlet.vlan).await {
                Ok(true) => {
                    debug!(segment = inlet.l2.name, %mac, "announced at another site; the bridge has forgotten its port")
                }
                Ok(false) => {}
                Err(error) => debug!(segment = inlet.l2.name, %mac, %error, "the bridge has not forgotten a port"),
            }
        }
    }
}

/// The hosts whose frames come from the other site now: the host that is announced, and the sender of the frame.
fn hosts(frame: &[u8], announcement: Announcement) -> impl Iterator<Item = Mac> {
    let source = frame
        .get(6..12)
        .and_then(|octets| <[u8; 6]>::try_from(octets).ok())
        .and_then(|octets| Mac::try_from(octets).ok());
    [announcement.mac].into_iter().chain(source.filter(|source| *source != announcement.mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_of_a_frame_and_the_host_that_it_announces_are_where_it_comes_from() {
        let [host, sender] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].map(|octets| Mac::try_from(octets).unwrap());
        let announcement = Announcement { mac: host, address: [10, 9, 0, 1].into() };
        let frame = |source: Mac| [&[0xff; 6][..], &source.octets(), &[8, 6]].concat();
        assert_eq!(hosts(&frame(host), announcement).collect::<Vec<_>>(), [host]);
        assert_eq!(hosts(&frame(sender), announcement).collect::<Vec<_>>(), [host, sender]);
        assert_eq!(hosts(&[], announcement).collect::<Vec<_>>(), [host]);
    }
}

//! Notifications of changes to the mesh's nftables tables: for example, Debian's own nftables.conf and firewalld begin with `flush
//! ruleset`.
//!
//! The kernel sends a notification for each table, chain, rule and set that a transaction changes, and then one for the transaction, with
//! the process that made it (nfnetlink group NFNLGRP_NFTABLES).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::unix::AsyncFd;

use super::attention::attribute;
use crate::sys::register_descriptor;

/// `<linux/netfilter/nfnetlink.h>`
const NFNLGRP_NFTABLES: u32 = 7;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
/// Octets of `struct nlmsghdr` and of `struct nfgenmsg`.
const HEADER: usize = 16;
const GENERAL: usize = 4;
/// Messages about tables, chains, rules and sets, and the one that ends a transaction (`enum nf_tables_msg_types`).
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_DELSET: u16 = 11;
const NFT_MSG_NEWGEN: u16 = 15;
/// The attribute of each of those messages that contains the name of the table.
const TABLE: u16 = 1;
/// The attributes of a transaction that identify its process.
const NFTA_GEN_PROC_PID: u16 = 2;
const NFTA_GEN_PROC_NAME: u16 = 3;

/// How many datagrams are read in a row.
const BATCH: usize = 1024;
/// Receive buffer in octets.
const BUFFER: usize = 1 << 20;
const DATAGRAM: usize = 64 << 10;

/// A subscription to the changes of one table.
#[derive(Debug)]
pub(super) struct FilterWatch {
    socket: AsyncFd<OwnedFd>,
    table: String,
    /// The result of the notifications received so far. It has a lock because it is read while the watch waits.
    notified: Mutex<Notified>,
}

/// The result of notifications for one table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notified {
    /// A transaction has changed the table, and the notification of its end has not been received yet.
    touched: bool,
    /// A transaction that has changed the table, or may have, has ended.
    changed: bool,
    /// The process of the last transaction that has changed the table.
    author: Option<String>,
}

/// Whether all queued notifications have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    Yes,
    No,
}

impl FilterWatch {
    /// Subscribes in the network namespace of this thread.
    ///
    /// # Errors
    /// If this kernel has no nf_tables.
    pub fn open(table: String) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(NFNLGRP_NFTABLES)?;
        // A smaller buffer only makes it more likely that the ruleset is read in vain.
        let _ = socket.set_rx_buf_sz(i32::try_from(BUFFER).map_err(io::Error::other)?);
        // The subscription belongs to the socket, and is kept as long as one descriptor of it is open.
        let socket = register_descriptor(socket.as_fd().try_clone_to_owned()?)?;
        Ok(Self { socket, table, notified: Mutex::default() })
    }

    /// Waits until the table has been changed by any process. The future may be dropped at any time.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if self.read()? == Drained::Yes {
                ready.clear_ready();
            }
            if std::mem::take(&mut self.notified().changed) {
                return Ok(());
            }
        }
    }

    /// Describes the process that changed the table last.
    pub fn author(&self) -> Option<String> {
        self.notified().author.clone()
    }

    fn notified(&self) -> MutexGuard<'_, Notified> {
        self.notified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the notifications that have arrived.
    fn read(&self) -> io::Result<Drained> {
        let mut notified = self.notified();
        let mut buffer = vec![0; DATAGRAM];
        for _ in 0..BATCH {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(octets) => notified.take(&buffer[..octets], &self.table),
                Err(nix::errno::Errno::EAGAIN) => return Ok(Drained::Yes),
                Err(nix::errno::Errno::EINTR) => {}
                // The kernel has dropped notifications.
                Err(nix::errno::Errno::ENOBUFS) => *notified = Notified { changed: true, ..Notified::default() },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Drained::No)
    }
}

impl Notified {
    fn take(&mut self, mut datagram: &[u8], table: &str) {
        while let Some(header) = datagram.first_chunk::<HEADER>() {
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let Some(body) = datagram.get(HEADER..length) else { return };
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            let attributes = body.get(GENERAL..).unwrap_or_default();
            let [subsystem, message] = [kind >> 8, kind & 0xff];
            if subsystem != NFNL_SUBSYS_NFTABLES {
                continue;
            }
            match message {
                NFT_MSG_DELTABLE | NFT_MSG_NEWCHAIN..=NFT_MSG_DELSET => {
                    let name = attribute(attributes, TABLE).unwrap_or_default();
                    self.touched |= name.strip_suffix(&[0]).unwrap_or(name) == table.as_bytes();
                }
                NFT_MSG_NEWGEN if std::mem::take(&mut self.touched) => {
                    self.changed = true;
                    self.author = author(attributes);
                }
                _ => {}
            }
        }
    }
}

fn author(attributes: &[u8]) -> Option<String> {
    let name = attribute(attributes, NFTA_GEN_PROC_NAME)?;
    let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned();
    let pid =
        attribute(attributes, NFTA_GEN_PROC_PID).and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes);
    Some(pid.map_or(name.clone(), |pid| format!("{name} (pid {pid})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![0; GENERAL];
        for (kind, value) in attributes {
            body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        bytes.extend((NFNL_SUBSYS_NFTABLES << 8 | kind).to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn notified(datagram: &[u8]) -> Notified {
        let mut notified = Notified::default();
        notified.take(datagram, "weft-acme");
        notified
    }

    #[test]
    fn a_transaction_counts_that_touches_the_table_and_its_process_is_named() {
        let generation = message(
            NFT_MSG_NEWGEN,
            &[(1, &[0, 0, 0, 9]), (NFTA_GEN_PROC_PID, &[0, 0, 18, 103]), (NFTA_GEN_PROC_NAME, b"firewalld\0")],
        );
        let foreign = message(NFT_MSG_NEWGEN, &[(1, &[0, 0, 0, 10]), (NFTA_GEN_PROC_NAME, b"dockerd\0")]);
        let ours = message(NFT_MSG_DELTABLE, &[(TABLE, b"weft-acme\0")]);
        let others = message(NFT_MSG_DELTABLE, &[(TABLE, b"weft-acme2\0")]);
        let rule = message(8, &[(TABLE, b"weft-acme\0"), (2, b"forward\0")]);
        let element = message(14, &[(TABLE, b"weft-acme\0"), (2, b"refused\0")]);
        let author = Some("firewalld (pid 4711)".to_owned());
        for touching in [&ours, &rule] {
            let found = notified(&[others.clone(), touching.clone(), generation.clone()].concat());
            assert_eq!(found, Notified { touched: false, changed: true, author: author.clone() });
            // Its end may be notified later than the rest, and that of another transaction then.
            let mut found = notified(touching);
            assert_eq!(found, Notified { touched: true, ..Notified::default() });
            found.take(&[generation.clone(), others.clone(), foreign.clone()].concat(), "weft-acme");
            assert_eq!(found, Notified { touched: false, changed: true, author: author.clone() });
        }
        for untouched in [&others, &element] {
            let found = notified(&[untouched.clone(), generation.clone()].concat());
            assert_eq!(found, Notified::default());
        }
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_ends_the_datagram() {
        let good = message(NFT_MSG_DELTABLE, &[(TABLE, b"weft-acme\0")]);
        assert!(notified(&good).touched);
        for cut in 0..good.len() - 2 {
            assert!(!notified(&good[..cut]).touched, "{cut} octets");
        }
        for length in [0_u32, 15, 1000, u32::MAX] {
            let mut bytes = good.clone();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(!notified(&bytes).touched, "length {length}");
        }
    }
}

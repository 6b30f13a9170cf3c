//! Masquerading through nf_tables. The netlink messages are built here, so that a lab needs no `nft` program.
//!
//! A router that masquerades gets the equivalent of
//! ```text
//! table ip weft-lab { chain postrouting {
//!     type nat hook postrouting priority srcnat
//!     oifname "eth0" [ip saddr != 203.0.113.1] masquerade } }
//! ```
//! (the same for `ip6`). The table is replaced as a whole in one transaction.
//!
//! On the wire (linux/netfilter/nfnetlink.h, nf_tables.h): a batch is NFNL_MSG_BATCH_BEGIN, messages, NFNL_MSG_BATCH_END,
//! each a netlink message whose payload is `struct nfgenmsg` (family, version 0, resource id in network order) followed by
//! attributes. Attribute headers (length, type) are in host order; numbers in attributes are in network order.

use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use super::layout::{Masquerade, Node};
use super::netns::Namespace;

const TABLE: &str = "weft-lab";
const CHAIN: &str = "postrouting";

// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NLA_F_NESTED: u16 = 0x8000;
const NLMSG_HEADER: usize = 16;

// linux/netfilter/nfnetlink.h
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;

// linux/netfilter.h
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const NF_INET_POST_ROUTING: u32 = 4;
/// NF_IP_PRI_NAT_SRC, which nft calls `srcnat`.
const PRIORITY_SRCNAT: u32 = 100;

// linux/netfilter/nf_tables.h: messages
const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_NEWRULE: u16 = 6;

// linux/netfilter/nf_tables.h: attributes
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_DATA_VALUE: u16 = 1;

// linux/netfilter/nf_tables.h: values
const NFT_REG_1: u32 = 1;
const NFT_META_OIFNAME: u32 = 7;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
/// Offset of the source address in an IPv4 header.
const IPV4_SOURCE: u32 = 12;
/// IFNAMSIZ: interface names are compared padded with zeros.
const NAME_SIZE: usize = 16;

/// Replaces the masquerading rules of `namespace` by those of `node`.
pub fn apply(namespace: &Namespace, node: &Node) -> Result<()> {
    let socket = namespace.within(|| {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(socket)
    });
    let outcome = socket.and_then(|socket| {
        let families: &[u8] = if node.uses_v6() { &[NFPROTO_IPV4, NFPROTO_IPV6] } else { &[NFPROTO_IPV4] };
        let batch = batch(families, &node.masquerade);
        socket.send(&batch.bytes, 0)?;
        acknowledged(&socket, &batch)
    });
    match outcome {
        // The kernel has no nf_tables, and none is needed.
        Err(_) if node.masquerade.is_empty() => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!(
                "masquerading in {}: a lab with a site behind NAT or a site that leads to the Internet needs a kernel \
                 with nf_tables (NFT_NAT, NFT_MASQ)",
                namespace.name()
            )
        }),
        Ok(()) => Ok(()),
    }
}

/// Builds one transaction: deletes the table, then creates it again if there are rules.
fn batch(families: &[u8], rules: &[Masquerade]) -> Batch {
    let mut batch = Batch::default();
    batch.message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, &[]);
    for &family in families {
        let name = attribute(NFTA_TABLE_NAME, &text(TABLE));
        // Deleting a table that does not exist is an error that would abort the transaction: create it first.
        batch.table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE, family, &name);
        batch.table_message(NFT_MSG_DELTABLE, 0, family, &name);
        let rules: Vec<&Masquerade> = rules.iter().filter(|rule| rule.applies_to(family)).collect();
        if rules.is_empty() {
            continue;
        }
        batch.table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE, family, &name);
        batch.table_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, family, &chain());
        for rule in rules {
            batch.table_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, &masquerade(rule));
        }
    }
    batch.message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, &[]);
    batch
}

impl Masquerade {
    /// A rule with an excepted IPv4 address is for IPv4 only; other rules are for both families.
    fn applies_to(&self, family: u8) -> bool {
        family == NFPROTO_IPV4 || self.except.is_none()
    }
}

fn chain() -> Vec<u8> {
    let hook = [
        attribute(NFTA_HOOK_HOOKNUM, &NF_INET_POST_ROUTING.to_be_bytes()),
        attribute(NFTA_HOOK_PRIORITY, &PRIORITY_SRCNAT.to_be_bytes()),
    ];
    [
        attribute(NFTA_CHAIN_TABLE, &text(TABLE)),
        attribute(NFTA_CHAIN_NAME, &text(CHAIN)),
        nested(NFTA_CHAIN_HOOK, &hook),
        attribute(NFTA_CHAIN_TYPE, &text("nat")),
    ]
    .concat()
}

fn masquerade(rule: &Masquerade) -> Vec<u8> {
    let mut name = [0; NAME_SIZE];
    let interface = rule.interface.as_str().as_bytes();
    name[..interface.len()].copy_from_slice(interface);
    let meta = [
        attribute(NFTA_META_DREG, &NFT_REG_1.to_be_bytes()),
        attribute(NFTA_META_KEY, &NFT_META_OIFNAME.to_be_bytes()),
    ];
    let mut expressions = vec![expression("meta", &meta), compare(NFT_CMP_EQ, &name)];
    if let Some(address) = rule.except {
        expressions.extend(source_is_not(address));
    }
    expressions.push(expression("masq", &[]));
    [
        attribute(NFTA_RULE_TABLE, &text(TABLE)),
        attribute(NFTA_RULE_CHAIN, &text(CHAIN)),
        nested(NFTA_RULE_EXPRESSIONS, &expressions),
    ]
    .concat()
}

fn source_is_not(address: Ipv4Addr) -> [Vec<u8>; 2] {
    let source = [
        attribute(NFTA_PAYLOAD_DREG, &NFT_REG_1.to_be_bytes()),
        attribute(NFTA_PAYLOAD_BASE, &NFT_PAYLOAD_NETWORK_HEADER.to_be_bytes()),
        attribute(NFTA_PAYLOAD_OFFSET, &IPV4_SOURCE.to_be_bytes()),
        attribute(NFTA_PAYLOAD_LEN, &4_u32.to_be_bytes()),
    ];
    [expression("payload", &source), compare(NFT_CMP_NEQ, &address.octets())]
}

fn compare(operator: u32, value: &[u8]) -> Vec<u8> {
    let parts = [
        attribute(NFTA_CMP_SREG, &NFT_REG_1.to_be_bytes()),
        attribute(NFTA_CMP_OP, &operator.to_be_bytes()),
        nested(NFTA_CMP_DATA, &[attribute(NFTA_DATA_VALUE, value)]),
    ];
    expression("cmp", &parts)
}

fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    nested(NFTA_LIST_ELEM, &[attribute(NFTA_EXPR_NAME, &text(name)), nested(NFTA_EXPR_DATA, data)])
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, &parts.concat())
}

/// An attribute with its header, padded to four bytes. The length in the header excludes the padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes here are far below 64 KiB");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Messages of one transaction; message N has sequence number N.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
    /// How many of the messages request an acknowledgement.
    asking: usize,
}

impl Batch {
    fn table_message(&mut self, kind: u16, flags: u16, family: u8, attributes: &[u8]) {
        self.asking += 1;
        self.message(NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_REQUEST | NLM_F_ACK | flags, family, 0, attributes);
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) {
        debug_assert!(attributes.len().is_multiple_of(4), "attributes are padded");
        let length = u32::try_from(NLMSG_HEADER + 4 + attributes.len()).expect("far below 4 GiB");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(attributes);
        self.sequence += 1;
    }
}

/// Reads until every message that requested an acknowledgement has it, or one message is refused.
fn acknowledged(socket: &Socket, batch: &Batch) -> Result<()> {
    let mut missing = batch.asking;
    while missing > 0 {
        let (buffer, _) = socket.recv_from_full()?;
        let mut rest = buffer.as_slice();
        while let Some((kind, code, length)) = answer(rest) {
            if kind == NLMSG_ERROR && code != 0 {
                return Err(io::Error::from(Errno::from_raw(-code)).into());
            }
            missing = missing.saturating_sub(usize::from(kind == NLMSG_ERROR));
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Type, error code and length of the first message in `bytes`.
fn answer(bytes: &[u8]) -> Option<(u16, i32, usize)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let code = i32::from_ne_bytes(bytes.get(NLMSG_HEADER..NLMSG_HEADER + 4)?.try_into().ok()?);
    (length >= NLMSG_HEADER).then_some((kind, code, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_carries_its_unpadded_length_and_is_padded_to_four_bytes() {
        let bytes = attribute(7, &text("nat0"));
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[..4], [9_u16.to_ne_bytes(), 7_u16.to_ne_bytes()].concat());
        assert_eq!(&bytes[4..], b"nat0\0\0\0\0");
    }

    #[test]
    fn a_batch_is_whole_messages_between_begin_and_end() {
        let rule = Masquerade { interface: crate::net::IfName::new("eth0").unwrap(), except: None };
        let batch = batch(&[NFPROTO_IPV4, NFPROTO_IPV6], &[rule]);
        let (mut kinds, mut rest) = (Vec::new(), batch.bytes.as_slice());
        while let Some((kind, _, length)) = answer(rest) {
            kinds.push(kind);
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let family = [NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE]
            .map(|kind| NFNL_SUBSYS_NFTABLES << 8 | kind);
        assert_eq!(kinds, [&[NFNL_MSG_BATCH_BEGIN][..], &family, &family, &[NFNL_MSG_BATCH_END]].concat());
    }
}

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// Compares all words of an enum with `expected`: in JSON, both ways, and in text; and tries a word that it does not know.
fn check<T>(all: &[T], unknown: T, expected: &[(T, &str)])
where
    T: Copy + PartialEq + Debug + Display + Serialize + DeserializeOwned,
{
    assert_eq!(all, expected.iter().map(|(variant, _)| *variant).collect::<Vec<_>>());
    for (variant, word) in expected {
        let json = format!("\"{word}\"");
        assert_eq!(serde_json::to_string(variant).unwrap(), json, "{variant:?}");
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *variant);
        assert_eq!(variant.to_string(), *word, "{variant:?}");
    }
    assert_eq!(serde_json::from_str::<T>("\"a word of a newer version\"").unwrap(), unknown);
    assert_eq!(unknown.to_string(), "?");
    assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"?\"");
}

/// Checks all words of enums: each variant of each enum, in order.
macro_rules! check {
    ($($name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {
        $(check($name::ALL, $name::Unknown, &[$(($name::$variant, $word)),+]);)+
    };
}

#[test]
fn every_word_about_the_site_is_what_scripts_know() {
    check! {
        PrefixState {
            Carried = "carried",
            NeverCarried = "never-carried",
            Withdrawn = "withdrawn",
            Static = "static",
            DefaultOriginate = "default-originate",
        }
        AnswersBy { Uplink = "uplink", Mesh = "mesh" }
        SourceCheck { Strict = "strict", Off = "off" }
        FilterState { On = "on", Off = "off", Unused = "unused" }
        DropReason { Control = "control", Vxlan = "vxlan", Source = "source", Martian = "martian", Ipv6 = "ipv6" }
        TunnelBackend { Kernel = "kernel", Userspace = "userspace" }
        TunnelState {
            Up = "up",
            OneWay = "one-way",
            Idle = "idle",
            Waiting = "waiting",
            Stale = "stale",
            Missing = "missing",
            Silent = "silent",
        }
        StepPart { Ospf = "ospf", Bfd = "bfd", Kernel = "kernel" }
    }
}

#[test]
fn every_word_about_ospf_is_what_scripts_know() {
    check! {
        NeighborState {
            Down = "Down",
            Attempt = "Attempt",
            Init = "Init",
            TwoWay = "2-Way",
            ExStart = "ExStart",
            Exchange = "Exchange",
            Loading = "Loading",
            Full = "Full",
        }
        BfdState { Off = "Off", AdminDown = "AdminDown", Down = "Down", Init = "Init", Up = "Up" }
        NeighborRole { Designated = "dr", Backup = "backup", Other = "other" }
        InterfaceState {
            Down = "Down",
            Passive = "Passive",
            Waiting = "Waiting",
            PointToPoint = "Point-to-point",
            DrOther = "DROther",
            Backup = "Backup",
            Dr = "DR",
        }
        NetworkType {
            Broadcast = "broadcast",
            NonBroadcast = "nbma",
            PointToPoint = "point-to-point",
            PointToMultipoint = "point-to-multipoint",
            VirtualLink = "virtual-link",
        }
        Authentication {
            None = "none",
            Simple = "simple",
            Md5 = "md5",
            HmacSha1 = "hmac-sha-1",
            HmacSha256 = "hmac-sha-256",
            HmacSha384 = "hmac-sha-384",
            HmacSha512 = "hmac-sha-512",
        }
        KeyStanding { Valid = "valid", Expired = "expired", Premature = "premature" }
        PacketType {
            DatabaseDescription = "database-description",
            Hello = "hello",
            LinkStateAck = "link-state-ack",
            LinkStateRequest = "link-state-request",
            LinkStateUpdate = "link-state-update",
        }
        VirtualLinkObstacle { NoPath = "no-path", NoAddress = "no-address" }
        AreaKind { Normal = "normal", Stub = "stub", Nssa = "nssa" }
        Unprotected {
            Pending = "pending",
            Off = "off",
            NoOtherNeighbor = "no-other-neighbor",
            MaxLinkMetric = "max-link-metric",
            NoOtherPath = "no-other-path",
            NotLoopFree = "not-loop-free",
            SameFate = "same-fate",
            Refused = "refused",
            VirtualLinks = "virtual-links",
            OtherArea = "other-area",
        }
        PathType {
            IntraArea = "intra-area",
            InterArea = "inter-area",
            External1 = "external-1",
            External2 = "external-2",
        }
        KernelState {
            Installed = "installed",
            Overridden = "overridden",
            Discard = "discard",
            Connected = "connected",
            Own = "own",
            Refused = "refused",
            Different = "different",
            Missing = "missing",
        }
        LimitKind {
            Lsas = "lsas",
            LsdbOctets = "lsdb-octets",
            LsasPerArea = "lsas-per-area",
            Routes = "routes",
            RouterLinks = "router-links",
        }
        LimitState { Free = "free", Reached = "reached", ReachedForOthers = "reached-for-others" }
        SpfState { Quiet = "quiet", ShortWait = "short-wait", LongWait = "long-wait" }
        StubRouterState { Transit = "transit", Stub = "stub" }
    }
}

#[test]
fn every_word_about_segments_is_what_scripts_know() {
    check! {
        SegmentState { Up = "up", Down = "down", Missing = "missing" }
        ArpMode { Proxy = "proxy", Suppress = "suppress", Flood = "flood" }
        UnknownUnicast { Drop = "drop", Flood = "flood" }
        PortState { Joined = "joined", Missing = "missing", Elsewhere = "elsewhere" }
        SiteState { Here = "here", Reachable = "reachable", Unreachable = "unreachable" }
        Fate {
            Port = "port",
            Ports = "ports",
            Site = "site",
            Unreachable = "unreachable",
            Flooded = "flooded",
            Dropped = "dropped",
        }
        Question { Flooded = "flooded", Stays = "stays" }
    }
}

#[test]
fn packet_types_are_keys_in_alphabetical_order() {
    let counts: BTreeMap<PacketType, u64> = PacketType::ALL.iter().rev().copied().zip(1..).collect();
    let json = "{\"database-description\":5,\"hello\":4,\"link-state-ack\":3,\"link-state-request\":2,\"link-state-update\":1}";
    assert_eq!(serde_json::to_string(&counts).unwrap(), json);
    assert_eq!(serde_json::from_str::<BTreeMap<PacketType, u64>>(json).unwrap(), counts);
}

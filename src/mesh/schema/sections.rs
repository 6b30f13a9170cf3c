//! The sections of the mesh file and their keys.

use super::{Group, Key, Kind, Section};

/// A name of a mesh, a site, a segment or a host.
const NAME: Kind = Kind::Text("taipei");

/// An IPv4 network.
const NETWORK: Kind = Kind::Text("10.1.0.0/16");

/// A path, relative to the mesh file.
const FILE_NAME: Kind = Kind::Text("lan.key");

/// A moment in UTC.
const MOMENT: Kind = Kind::Text("2026-01-31T04:00:00Z");

/// Cost of a range or of a default route, and external metrics: 24 bits without LSInfinity (RFC 2328 appendix B).
const METRIC: Kind = Kind::Integer(0, 0xff_fffe);

/// An External Route Tag (RFC 2328 §A.4.5).
const TAG: Kind = Kind::Integer(0, u32::MAX as u64);

/// PersistentKeepalive, or none.
const KEEPALIVE: Kind = Kind::Any(&[Kind::Duration, Kind::Words(&["off"])]);

/// MTU of a tunnel, in bytes.
const TUNNEL_MTU: Kind = Kind::Integer(576, 65455);

/// A key that the schema knows and this version does not have.
const FUTURE: &str = "reserved: not available in this version";

/// Keys about all tunnels, or about those of one site.
pub(in crate::mesh) static TUNNELS: Group = Group {
    title: "Tunnels",
    base: "`[mesh]`",
    keys: &[
        Key::with(
            "port",
            Kind::Integer(1, 65535),
            "51820",
            "first UDP port: the tunnel to the site with id N listens on `port` + N",
        ),
        Key::with(
            "port_mode",
            Kind::Words(&["per-peer", "shared"]),
            "\"per-peer\"",
            "`shared` is not available in this version",
        ),
        Key::with(
            "backend",
            Kind::Words(&["auto", "kernel", "userspace"]),
            "\"auto\"",
            "which WireGuard a site uses; `auto` takes the kernel's where it has one, and weft's own otherwise",
        ),
        Key::with("mtu", TUNNEL_MTU, "1420", "MTU of the tunnels, in bytes; of two ends the smaller one counts"),
    ],
};

/// Keys about all interfaces of OSPF, including virtual links.
pub(in crate::mesh) static TIMERS: Group = Group {
    title: "OSPF timers",
    base: "`[ospf]`",
    keys: &[
        Key::with(
            "hello_interval",
            Kind::Duration,
            "\"1s\"",
            "HelloInterval; must be the same on all routers of a link",
        ),
        Key::with(
            "dead_interval",
            Kind::Duration,
            "\"4s\"",
            "RouterDeadInterval: a neighbour that is silent for so long is down; must be the same on all routers of a link",
        ),
        Key::with("retransmit_interval", Kind::Duration, "\"1s\"", "RxmtInterval"),
        Key::with(
            "transmit_delay",
            Kind::Duration,
            "\"1s\"",
            "InfTransDelay: what is added to the age of LSAs that are sent",
        ),
    ],
};

/// Keys about the authentication of all interfaces of OSPF, including virtual links.
pub(in crate::mesh) static AUTHENTICATION: Group = Group {
    title: "OSPF authentication",
    base: "`[ospf]`",
    keys: &[
        Key::or(
            "auth",
            Kind::Any(&[Kind::Table(&AUTH), Kind::Array(&Kind::Table(&AUTH))]),
            "none",
            "how OSPF packets are authenticated: one key, or an array of keys",
        ),
        Key::with(
            "auth_sequence",
            Kind::Words(&["not-smaller", "strict", "extended"]),
            "\"not-smaller\"",
            "which sequence numbers are accepted: not smaller than the last one, greater, or greater with 64 bits (RFC 7474)",
        ),
    ],
};

/// Of interfaces and tunnels.
pub(in crate::mesh) static INTERFACE: Group = Group {
    title: "OSPF on tunnels and interfaces",
    base: "`[ospf]`",
    keys: &[
        Key::with(
            "area",
            Kind::Text("0.0.0.1"),
            "\"0.0.0.0\"",
            "the OSPF area, a dotted quad; the backbone is `0.0.0.0`",
        ),
        Key::with("cost", Kind::Integer(1, 65535), "10", "interface output cost"),
        Key::with("mtu_ignore", Kind::Boolean, "false", "accept neighbours whose interface MTU is larger"),
    ],
};

/// Of tunnels.
pub(in crate::mesh) static SESSIONS: Group = Group {
    title: "BFD on tunnels",
    base: "`[ospf]`",
    keys: &[Key::with(
        "bfd",
        Kind::Any(&[Kind::Boolean, Kind::Table(&BFD)]),
        "false",
        "find within a fraction of a second that a tunnel carries nothing any more (RFC 5880); `true` for the values below",
    )],
};

/// `bfd = { … }` of `[ospf]` and `[[link]]`.
pub(in crate::mesh) static BFD: Section = Section {
    title: "`bfd`",
    own: &[
        Key::with("interval", Kind::Duration, "\"100ms\"", "how often both ends send, 10 ms to 10 s"),
        Key::with(
            "multiplier",
            Kind::Integer(1, 255),
            "3",
            "packets in a row that do not arrive before the tunnel is down",
        ),
    ],
    shared: &[],
};

/// Of networks that may have several routers.
pub(in crate::mesh) static SEVERAL_ROUTERS: Group = Group {
    title: "OSPF on networks of several routers",
    base: "`[ospf]`",
    keys: &[
        Key::with(
            "priority",
            Kind::Integer(0, 255),
            "1",
            "Router Priority on `broadcast` and `nbma` networks: the highest becomes the designated router, 0 never does",
        ),
        Key::with(
            "poll_interval",
            Kind::Duration,
            "\"120s\"",
            "PollInterval: how often hellos go to neighbours that are down, on `nbma` and `point-to-multipoint` networks",
        ),
        Key::with(
            "prefix_suppression",
            Kind::Boolean,
            "false",
            "advertise no routes to the network between routers (RFC 6860)",
        ),
    ],
};

/// The top level.
pub(in crate::mesh) static FILE: Section = Section {
    title: "the mesh file",
    own: &[
        Key::required("mesh", Kind::Table(&MESH), "the whole network"),
        Key::or("ospf", Kind::Table(&OSPF), "the defaults", "OSPF on every tunnel and interface"),
        Key::or("area", Kind::Sections(&AREA), "every area is normal", "an OSPF area that is not plain"),
        Key::or("site", Kind::Sections(&SITE), "none", "a site: one router, and the networks that are there"),
        Key::or("link", Kind::Sections(&LINK), "none", "the tunnel between two sites"),
        Key::or("l2", Kind::Sections(&L2), "none", "an Ethernet segment across sites"),
    ],
    shared: &[],
};

/// The keys of `[mesh]`.
pub(in crate::mesh) static MESH: Section = Section {
    title: "`[mesh]`",
    own: &[
        Key::required("name", NAME, "name of the network; lab namespaces and nftables tables are named after it"),
        Key::required(
            "loopbacks",
            NETWORK,
            "the routers' addresses: the site with id N is router N of this network, which nothing else may use",
        ),
        Key::with(
            "keepalive",
            KEEPALIVE,
            "\"25s\"",
            "PersistentKeepalive of the tunnels, or `\"off\"`; it keeps the mapping of a NAT router alive",
        ),
        Key::with(
            "topology",
            Kind::Words(&["full-mesh", "explicit"]),
            "\"full-mesh\"",
            "which sites have a tunnel to each other: all, or only the pairs that have a `[[link]]`",
        ),
        Key::with(
            "unlisted",
            Kind::Words(&["accept", "refuse"]),
            "\"accept\"",
            "whether routes to prefixes that no site lists are used",
        ),
        Key::with(
            "source_check",
            Kind::Words(&["strict", "off"]),
            "\"strict\"",
            "whether a packet may enter the mesh only at a site that its source address belongs to",
        ),
    ],
    shared: &[&TUNNELS],
};

/// The keys of `[ospf]`.
pub(in crate::mesh) static OSPF: Section = Section {
    title: "`[ospf]`",
    own: &[
        Key::with(
            "rfc1583_compatibility",
            Kind::Boolean,
            "false",
            "RFC1583Compatibility (RFC 2328 §C.1); must be the same on all routers, and matters with several areas",
        ),
        Key::or(
            "spf_delay",
            Kind::Table(&SPF_DELAY),
            "the defaults",
            "how long route calculation waits after a change (RFC 8405)",
        ),
        Key::with(
            "stub_router",
            Kind::Any(&[Kind::Words(&["never", "always"]), Kind::Duration]),
            "\"never\"",
            "whether traffic between others is led around the routers, always or for a time after the start (RFC 6987)",
        ),
        Key::with(
            "fast_reroute",
            Kind::Boolean,
            "true",
            "whether each route has a loop-free alternate beside it, where there is one, which packets take at once when a next hop fails \
             (RFC 5286)",
        ),
        Key::with("max_lsas", Kind::Integer(100, 10_000_000), "200000", "LSAs of other routers that are kept"),
        Key::or("max_lsas_per_area", Kind::Integer(100, 10_000_000), "as `max_lsas`", "the same for each area"),
        Key::with(
            "max_lsdb_octets",
            Kind::Integer(65536, u32::MAX as u64),
            "67108864",
            "octets of all LSAs of other routers that are kept",
        ),
        Key::with("max_routes", Kind::Integer(100, 10_000_000), "500000", "routes that are kept"),
        Key::or(
            "graceful_restart",
            Kind::Table(&GRACEFUL_RESTART),
            "both sides, 20 s",
            "restarts that neighbours do not notice (RFC 3623)",
        ),
    ],
    shared: &[&INTERFACE, &SESSIONS, &TIMERS, &AUTHENTICATION, &SEVERAL_ROUTERS],
};

/// `graceful_restart = { … }` of `[ospf]`.
pub(in crate::mesh) static GRACEFUL_RESTART: Section = Section {
    title: "`graceful_restart`",
    own: &[
        Key::with("helper", Kind::Boolean, "true", "keep the routes of neighbours that restart"),
        Key::with(
            "restarter",
            Kind::Boolean,
            "true",
            "ask neighbours to keep the routes of this router when it restarts",
        ),
        Key::with(
            "grace_period",
            Kind::Duration,
            "\"20s\"",
            "how long neighbours wait for a router that restarts; at most 30 minutes",
        ),
    ],
    shared: &[],
};

/// `auth = { … }`, or an element of `auth`.
pub(in crate::mesh) static AUTH: Section = Section {
    title: "`auth`",
    own: &[
        Key::required(
            "type",
            Kind::Words(&["none", "simple", "md5", "hmac-sha-1", "hmac-sha-256", "hmac-sha-384", "hmac-sha-512"]),
            "the algorithm; `simple` is a password that everybody on the link can read",
        ),
        Key::or("key_id", Kind::Integer(1, 255), "required with a digest", "the number by which packets name the key"),
        Key::or(
            "key_file",
            FILE_NAME,
            "required but for `none`",
            "file that holds the key, mode 0600, relative to the mesh file, on the routers that use it",
        ),
        Key::or("send_from", MOMENT, "always", "when the first packet is signed with the key"),
        Key::or("send_until", MOMENT, "always", "when no more packets are signed with the key"),
        Key::or("accept_from", MOMENT, "always", "when packets signed with the key are first accepted"),
        Key::or("accept_until", MOMENT, "always", "when packets signed with the key are no longer accepted"),
    ],
    shared: &[],
};

/// `spf_delay = { … }` of `[ospf]`.
pub(in crate::mesh) static SPF_DELAY: Section = Section {
    title: "`spf_delay`",
    own: &[
        Key::with("initial", Kind::Duration, "\"0ms\"", "INITIAL_SPF_DELAY"),
        Key::with("short", Kind::Duration, "\"50ms\"", "SHORT_SPF_DELAY, at least `initial`"),
        Key::with("long", Kind::Duration, "\"500ms\"", "LONG_SPF_DELAY, at least `short`"),
        Key::with("time_to_learn", Kind::Duration, "\"2s\"", "TIME_TO_LEARN_INTERVAL"),
        Key::with("holddown", Kind::Duration, "\"4s\"", "HOLDDOWN_INTERVAL, at least `time_to_learn`"),
    ],
    shared: &[],
};

/// The keys of `[[area]]`.
pub(in crate::mesh) static AREA: Section = Section {
    title: "`[[area]]`",
    own: &[
        Key::required("id", Kind::Text("0.0.0.1"), "the area, a dotted quad"),
        Key::with(
            "kind",
            Kind::Words(&["normal", "stub", "nssa"]),
            "\"normal\"",
            "what external destinations the area has",
        ),
        Key::with(
            "summaries",
            Kind::Boolean,
            "true",
            "`stub`, `nssa`: advertise destinations of other areas into it; `false` makes it totally stubby",
        ),
        Key::with("default_cost", METRIC, "1", "`stub`: cost of the default route into the area"),
        Key::with("default_metric", METRIC, "1", "`nssa`: metric of the default route into the area"),
        Key::with("default_type", Kind::Integer(1, 2), "2", "`nssa`: type of that metric"),
        Key::with(
            "translator",
            Kind::Words(&["candidate", "always"]),
            "\"candidate\"",
            "`nssa`: NSSATranslatorRole, whether its border routers elect who translates type-7 LSAs or all do (RFC 3101)",
        ),
        Key::with(
            "stability_interval",
            Kind::Duration,
            "\"40s\"",
            "`nssa`: TranslatorStabilityInterval, how long a translator that was outvoted goes on",
        ),
        Key::or(
            "ranges",
            Kind::Array(&Kind::Table(&RANGE)),
            "none",
            "networks of the area that are advertised to others as one",
        ),
        Key::or(
            "external_ranges",
            Kind::Array(&Kind::Table(&EXTERNAL_RANGE)),
            "none",
            "`nssa`: type-7 destinations that are translated as one",
        ),
    ],
    shared: &[],
};

/// An element of `ranges` of `[[area]]`.
pub(in crate::mesh) static RANGE: Section = Section {
    title: "`ranges`",
    own: &[
        Key::required("prefix", NETWORK, "the range"),
        Key::or("cost", METRIC, "the highest within it", "its cost; not with `advertise = false`"),
        Key::with("advertise", Kind::Boolean, "true", "`false` hides what lies within the range"),
    ],
    shared: &[],
};

/// An element of `external_ranges`.
pub(in crate::mesh) static EXTERNAL_RANGE: Section = Section {
    title: "`external_ranges`",
    own: &[
        Key::required("prefix", NETWORK, "the range"),
        Key::with("advertise", Kind::Boolean, "true", "`false` hides what lies within the range"),
        Key::with("tag", TAG, "0", "its External Route Tag"),
    ],
    shared: &[],
};

/// The keys of `[[site]]`.
pub(in crate::mesh) static SITE: Section = Section {
    title: "`[[site]]`",
    own: &[
        Key::required("name", NAME, "name of the site; the tunnel to it is `wg-NAME`"),
        Key::required(
            "id",
            Kind::Integer(1, 65534),
            "number of the site, which no other site has or had: ports and addresses follow from it",
        ),
        Key::required(
            "public_key",
            Kind::Text("eMIf99BKgOvFMwzhUxswQ7xmNxnLcL58G5FSj8A3BV8="),
            "WireGuard public key of the site's router",
        ),
        Key::or(
            "endpoint",
            Kind::Text("203.0.113.1"),
            "the site cannot be reached first",
            "address or DNS name at which other sites reach this one; `ADDRESS:PORT` changes the first port",
        ),
        Key::or(
            "prefixes",
            Kind::Array(&Kind::Any(&[NETWORK, Kind::Table(&LISTED)])),
            "none",
            "networks that are at the site; routes to them from other sites are refused",
        ),
        Key::or(
            "default_originate",
            Kind::Any(&[Kind::Words(&["always", "if-present"]), Kind::Table(&DEFAULT_ORIGINATE)]),
            "no",
            "advertise a default route by OSPF: always, or while the kernel has one that is not weft's",
        ),
        Key::or(
            "external_ranges",
            Kind::Array(&Kind::Table(&EXTERNAL_RANGE)),
            "none",
            "redistributed destinations that are advertised as one",
        ),
        Key::or("interface", Kind::Sections(&SITE_INTERFACE), "none", "OSPF on an interface of the site's own"),
        Key::or("virtual_link", Kind::Sections(&VIRTUAL_LINK), "none", "the backbone through another area"),
        Key::or("redistribute", Kind::Sections(&REDISTRIBUTE), "none", "routes of the kernel that OSPF advertises"),
        Key::or("import", Kind::Sections(&IMPORT), "every route is accepted", "which of OSPF's routes the kernel gets"),
    ],
    shared: &[&TUNNELS],
};

/// An element of `prefixes` of `[[site]]` that is a table.
pub(in crate::mesh) static LISTED: Section = Section {
    title: "`prefixes`",
    own: &[
        Key::required("prefix", NETWORK, "the network"),
        Key::with("static", Kind::Boolean, "false", "advertise it whether or not anything at the site carries it"),
        Key::with("shared", Kind::Boolean, "false", "other sites list it, too"),
    ],
    shared: &[],
};

/// `default_originate = { … }` of `[[site]]`.
pub(in crate::mesh) static DEFAULT_ORIGINATE: Section = Section {
    title: "`default_originate`",
    own: &[
        Key::required(
            "when",
            Kind::Words(&["always", "if-present"]),
            "always, or while the kernel has a default route that is not weft's",
        ),
        Key::with("metric", METRIC, "10", "external metric"),
        Key::with(
            "type",
            Kind::Integer(1, 2),
            "2",
            "type of the metric: 1 is added to the cost of the way there, 2 is not",
        ),
        Key::with("tag", TAG, "0", "External Route Tag"),
    ],
    shared: &[],
};

/// An element of `prefixes` of `[[site.redistribute]]` that is a table.
pub(in crate::mesh) static TAGGED: Section = Section {
    title: "`prefixes`",
    own: &[
        Key::required("prefix", Kind::Text("10.0.0.0/8 le 24"), "which destinations"),
        Key::required("tag", TAG, "their External Route Tag"),
    ],
    shared: &[],
};

/// The keys of `[[site.interface]]`.
pub(in crate::mesh) static SITE_INTERFACE: Section = Section {
    title: "`[[site.interface]]`",
    own: &[
        Key::required(
            "name",
            Kind::Text("eth1"),
            "the interface; `eth*` is every interface whose name begins so and that has no section of its own",
        ),
        Key::required(
            "ospf",
            Kind::Words(&["active", "passive"]),
            "`active`: form adjacencies with routers there; `passive`: advertise its networks only",
        ),
        Key::or(
            "network",
            Kind::Words(&["broadcast", "point-to-point", "nbma", "point-to-multipoint"]),
            "required if `active`",
            "the OSPF network type",
        ),
        Key::or(
            "neighbors",
            Kind::Array(&Kind::Any(&[Kind::Text("192.0.2.2"), Kind::Table(&NEIGHBOR)])),
            "all that answer",
            "`nbma` and `point-to-multipoint`: the other routers, and no others are accepted",
        ),
        Key::with("bfd", Kind::Boolean, "false", FUTURE),
    ],
    shared: &[&INTERFACE, &TIMERS, &AUTHENTICATION, &SEVERAL_ROUTERS],
};

/// An element of `neighbors` of `[[site.interface]]`.
pub(in crate::mesh) static NEIGHBOR: Section = Section {
    title: "`neighbors`",
    own: &[
        Key::required("address", Kind::Text("192.0.2.3"), "the router's address on the network"),
        Key::with("priority", Kind::Integer(0, 255), "1", "0 if it cannot become the designated router"),
    ],
    shared: &[],
};

/// The keys of `[[site.virtual_link]]`.
pub(in crate::mesh) static VIRTUAL_LINK: Section = Section {
    title: "`[[site.virtual_link]]`",
    own: &[
        Key::required("area", Kind::Text("0.0.0.1"), "the transit area"),
        Key::or("router_id", Kind::Text("10.255.0.2"), "`site` is given", "the other end, where it is no site"),
        Key::or("site", NAME, "`router_id` is given", "the site at the other end"),
    ],
    shared: &[&TIMERS, &AUTHENTICATION],
};

/// The keys of `[[site.redistribute]]`.
pub(in crate::mesh) static REDISTRIBUTE: Section = Section {
    title: "`[[site.redistribute]]`",
    own: &[
        Key::required(
            "from",
            Kind::Words(&["kernel", "connected", "static"]),
            "`static`: routes of the protocols `static` and `boot`; `kernel`: of any other program, too; `connected`: networks of interfaces that OSPF does not run on",
        ),
        Key::or(
            "prefixes",
            Kind::Array(&Kind::Any(&[Kind::Text("10.0.0.0/8 le 24"), Kind::Table(&TAGGED)])),
            "all but 0.0.0.0/0",
            "which destinations, as `\"NETWORK\"`, with `le N` or `ge N`, or both",
        ),
        Key::with("metric", METRIC, "20", "external metric"),
        Key::with(
            "type",
            Kind::Integer(1, 2),
            "2",
            "type of the metric: 1 is added to the cost of the way there, 2 is not",
        ),
        Key::with("tag", TAG, "0", "External Route Tag"),
    ],
    shared: &[],
};

/// The keys of `[[site.import]]`.
pub(in crate::mesh) static IMPORT: Section = Section {
    title: "`[[site.import]]`",
    own: &[
        Key::or(
            "prefixes",
            Kind::Array(&Kind::Text("10.0.0.0/8 le 24")),
            "required without `tags`",
            "which destinations, as in `[[site.redistribute]]`",
        ),
        Key::or(
            "tags",
            Kind::Array(&Kind::Any(&[TAG, Kind::Text("100-199")])),
            "any",
            "which External Route Tags, numbers and ranges",
        ),
        Key::required(
            "action",
            Kind::Words(&["accept", "refuse"]),
            "whether these routes go into the kernel; the first section that matches decides",
        ),
    ],
    shared: &[],
};

/// The keys of `[[link]]`.
pub(in crate::mesh) static LINK: Section = Section {
    title: "`[[link]]`",
    own: &[
        Key::required("between", Kind::Array(&NAME), "the two sites, by name"),
        Key::or(
            "endpoint",
            Kind::BySite(&Kind::Text("198.51.100.2")),
            "the sites' own",
            "where this tunnel reaches a site, by the site's name",
        ),
        Key::or(
            "port",
            Kind::BySite(&Kind::Integer(1, 65535)),
            "`port` + id",
            "the tunnel's UDP port at a site, by the site's name",
        ),
        Key::or("mtu", TUNNEL_MTU, "the sites' own", "MTU of the tunnel, at most"),
        Key::or("keepalive", KEEPALIVE, "as in `[mesh]`", "PersistentKeepalive, or `\"off\"`"),
        Key::or(
            "preshared_key_file",
            FILE_NAME,
            "none",
            "file with a preshared key, a line of `wg genpsk`, mode 0600, relative to the mesh file, on the two routers",
        ),
        Key::with(
            "ttl_security",
            Kind::Boolean,
            "true",
            "accept OSPF packets only if nobody forwarded them; `false` if one of the two routers is not weft",
        ),
    ],
    shared: &[&INTERFACE, &SESSIONS, &TIMERS, &AUTHENTICATION],
};

/// The keys of `[[l2]]`.
pub(in crate::mesh) static L2: Section = Section {
    title: "`[[l2]]`",
    own: &[
        Key::required("name", NAME, "name of the segment; its VXLAN device is `vx-NAME`"),
        Key::required("vni", Kind::Integer(1, 0xff_ffff), "VXLAN network identifier, which no other segment has"),
        Key::with(
            "arp",
            Kind::Words(&["proxy", "suppress", "flood"]),
            "\"proxy\"",
            "how address resolution is answered: hosts of the table at the asker's site, and other questions go nowhere (`proxy`) or to all sites (`suppress`); or all questions go to all sites (`flood`)",
        ),
        Key::with(
            "unknown_unicast",
            Kind::Words(&["drop", "flood"]),
            "\"drop\"",
            "frames to a host that is not in the table",
        ),
        Key::with("broadcast", Kind::Words(&["flood", "drop"]), "\"flood\"", "broadcast frames"),
        Key::with(
            "broadcast_limit",
            Kind::Integer(1, 1_000_000),
            "1000",
            "broadcast frames a second that leave a site",
        ),
        Key::with("multicast", Kind::Words(&["flood", "drop"]), "\"flood\"", "multicast frames"),
        Key::with(
            "multicast_limit",
            Kind::Integer(1, 1_000_000),
            "1000",
            "multicast frames a second that leave a site",
        ),
        Key::with(
            "learn",
            Kind::Boolean,
            "false",
            "a host of the table that is learned at another site has moved there",
        ),
        Key::with(
            "unreachable",
            Kind::Words(&["remove", "keep"]),
            "\"remove\"",
            "the entries of hosts at a site that cannot be reached",
        ),
        Key::with(
            "mtu",
            Kind::Integer(576, 65485),
            "1500",
            "MTU of the hosts, in bytes: packets that are too large for a tunnel are answered or fragmented",
        ),
        Key::or(
            "gateway",
            Kind::Text("10.9.0.1/24"),
            "none",
            "address and prefix length that the router of every site has on the segment",
        ),
        Key::required("site", Kind::Sections(&L2_SITE), "a site that the segment spans"),
        Key::or("host", Kind::Sections(&L2_HOST), "none", "a host of the segment"),
    ],
    shared: &[],
};

/// The keys of `[[l2.site]]`.
pub(in crate::mesh) static L2_SITE: Section = Section {
    title: "`[[l2.site]]`",
    own: &[
        Key::required("name", NAME, "name of the site"),
        Key::or("bridge", Kind::Text("br-vms"), "`br-` and the segment's name", "the bridge that weft makes there"),
        Key::or(
            "ports",
            Kind::Array(&Kind::Text("tap0")),
            "none",
            "interfaces with hosts behind them, taken into the bridge when they exist",
        ),
        Key::or(
            "existing_bridge",
            Kind::Text("vmbr0"),
            "none",
            "a bridge that another program makes, in place of `bridge` and `ports`",
        ),
        Key::or(
            "vlan",
            Kind::Integer(1, 4094),
            "none",
            "VLAN of the existing bridge; needed if the bridge filters VLANs, and only then",
        ),
    ],
    shared: &[],
};

/// The keys of `[[l2.host]]`.
pub(in crate::mesh) static L2_HOST: Section = Section {
    title: "`[[l2.host]]`",
    own: &[
        Key::required("site", NAME, "the site where the host is"),
        Key::required("mac", Kind::Text("02:00:00:00:01:0a"), "its MAC address"),
        Key::required(
            "ip",
            Kind::Any(&[Kind::Text("10.9.0.10"), Kind::Array(&Kind::Text("10.9.0.10"))]),
            "its IP address, or all of them; IPv6 and link-local ones, too",
        ),
        Key::or("name", NAME, "none", "name for commands, and of its namespace in the lab"),
        Key::with("pin", Kind::Boolean, "false", "the host stays where the table has it"),
    ],
    shared: &[],
};

/// Every section that has a header, in the order of the reference.
pub(super) static ALL: [&Section; 13] = [
    &FILE,
    &MESH,
    &OSPF,
    &AREA,
    &SITE,
    &SITE_INTERFACE,
    &VIRTUAL_LINK,
    &REDISTRIBUTE,
    &IMPORT,
    &LINK,
    &L2,
    &L2_SITE,
    &L2_HOST,
];

//! Which keys stand in which section of the mesh file. Nothing about their values.

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// As it is written, `[[site]]`.
    pub title: &'static str,
    /// The keys that it alone has.
    own: &'static [&'static str],
    /// Those that other sections have as well.
    shared: &'static [&'static [&'static str]],
}

impl Section {
    /// Its keys, in the order in which they are listed to the user.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.own.iter().chain(self.shared.iter().copied().flatten()).copied()
    }

    /// Whether `key` is one of them.
    pub fn has(&self, key: &str) -> bool {
        self.keys().any(|own| own == key)
    }
}

/// Of all tunnels, or of those of one site.
const TUNNELS: &[&str] = &["port", "port_mode", "backend", "mtu"];

/// Of everything that speaks OSPF, virtual links too.
const TIMERS: &[&str] = &["hello_interval", "dead_interval", "retransmit_interval", "transmit_delay"];

/// Of the same.
const AUTHENTICATION: &[&str] = &["auth", "auth_sequence"];

/// Of interfaces and tunnels.
const INTERFACE: &[&str] = &["area", "cost", "mtu_ignore", "bfd"];

/// Of networks that may have several routers.
const NETWORK: &[&str] = &["priority", "poll_interval", "prefix_suppression"];

/// The top level.
pub(super) static FILE: Section =
    Section { title: "the mesh file", own: &["mesh", "ospf", "area", "site", "link", "l2"], shared: &[] };

/// `[mesh]`.
pub(super) static MESH: Section = Section {
    title: "`[mesh]`",
    own: &["name", "loopbacks", "keepalive", "topology", "unlisted", "source_check"],
    shared: &[TUNNELS],
};

/// `[ospf]`.
pub(super) static OSPF: Section = Section {
    title: "`[ospf]`",
    own: &[
        "rfc1583_compatibility",
        "spf_delay",
        "stub_router",
        "max_lsas",
        "max_lsas_per_area",
        "max_lsdb_octets",
        "max_routes",
        "graceful_restart",
    ],
    shared: &[INTERFACE, TIMERS, AUTHENTICATION, NETWORK],
};

/// `graceful_restart = { … }` of `[ospf]`.
pub(super) static GRACEFUL_RESTART: Section =
    Section { title: "`graceful_restart`", own: &["helper", "restarter", "grace_period"], shared: &[] };

/// `auth = { … }`, or an element of `auth`.
pub(super) static AUTH: Section = Section {
    title: "`auth`",
    own: &["type", "key_id", "key_file", "send_from", "send_until", "accept_from", "accept_until"],
    shared: &[],
};

/// `spf_delay = { … }` of `[ospf]`.
pub(super) static SPF_DELAY: Section =
    Section { title: "`spf_delay`", own: &["initial", "short", "long", "time_to_learn", "holddown"], shared: &[] };

/// `[[area]]`.
pub(super) static AREA: Section = Section {
    title: "`[[area]]`",
    own: &[
        "id",
        "kind",
        "summaries",
        "default_cost",
        "default_metric",
        "default_type",
        "translator",
        "stability_interval",
        "ranges",
        "external_ranges",
    ],
    shared: &[],
};

/// An element of `ranges` of `[[area]]`.
pub(super) static RANGE: Section = Section { title: "`ranges`", own: &["prefix", "cost", "advertise"], shared: &[] };

/// An element of `external_ranges` of `[[area]]`.
pub(super) static EXTERNAL_RANGE: Section =
    Section { title: "`external_ranges`", own: &["prefix", "advertise", "tag"], shared: &[] };

/// `[[site]]`.
pub(super) static SITE: Section = Section {
    title: "`[[site]]`",
    own: &[
        "name",
        "id",
        "public_key",
        "endpoint",
        "prefixes",
        "default_originate",
        "external_ranges",
        "interface",
        "virtual_link",
        "redistribute",
        "import",
    ],
    shared: &[TUNNELS],
};

/// An element of `prefixes` of `[[site]]` that is a table.
pub(super) static LISTED: Section = Section { title: "`prefixes`", own: &["prefix", "static", "shared"], shared: &[] };

/// `default_originate = { … }` of `[[site]]`.
pub(super) static DEFAULT_ORIGINATE: Section =
    Section { title: "`default_originate`", own: &["when", "metric", "type", "tag"], shared: &[] };

/// An element of `prefixes` of `[[site.redistribute]]` that is a table.
pub(super) static TAGGED: Section = Section { title: "`prefixes`", own: &["prefix", "tag"], shared: &[] };

/// `[[site.interface]]`.
pub(super) static SITE_INTERFACE: Section = Section {
    title: "`[[site.interface]]`",
    own: &["name", "ospf", "network", "neighbors"],
    shared: &[INTERFACE, TIMERS, AUTHENTICATION, NETWORK],
};

/// An element of `neighbors` of `[[site.interface]]`.
pub(super) static NEIGHBOR: Section = Section { title: "`neighbors`", own: &["address", "priority"], shared: &[] };

/// `[[site.virtual_link]]`.
pub(super) static VIRTUAL_LINK: Section = Section {
    title: "`[[site.virtual_link]]`",
    own: &["area", "router_id", "site"],
    shared: &[TIMERS, AUTHENTICATION],
};

/// `[[site.redistribute]]`.
pub(super) static REDISTRIBUTE: Section =
    Section { title: "`[[site.redistribute]]`", own: &["from", "prefixes", "metric", "type", "tag"], shared: &[] };

/// `[[site.import]]`.
pub(super) static IMPORT: Section =
    Section { title: "`[[site.import]]`", own: &["prefixes", "tags", "action"], shared: &[] };

/// `[[link]]`.
pub(super) static LINK: Section = Section {
    title: "`[[link]]`",
    own: &["between", "endpoint", "port", "mtu", "keepalive", "preshared_key_file", "ttl_security"],
    shared: &[INTERFACE, TIMERS, AUTHENTICATION],
};

/// `[[l2]]`.
pub(super) static L2: Section = Section {
    title: "`[[l2]]`",
    own: &[
        "name",
        "vni",
        "arp",
        "unknown_unicast",
        "broadcast",
        "broadcast_limit",
        "multicast",
        "multicast_limit",
        "learn",
        "unreachable",
        "mtu",
        "gateway",
        "site",
        "host",
    ],
    shared: &[],
};

/// `[[l2.site]]`.
pub(super) static L2_SITE: Section =
    Section { title: "`[[l2.site]]`", own: &["name", "bridge", "ports", "existing_bridge", "vlan"], shared: &[] };

/// `[[l2.host]]`.
pub(super) static L2_HOST: Section =
    Section { title: "`[[l2.host]]`", own: &["site", "mac", "ip", "name", "pin"], shared: &[] };

/// Whether there may be several sections `name`, such as `site.interface`.
pub(super) fn is_list(name: &str) -> bool {
    let lists = [&AREA, &SITE, &SITE_INTERFACE, &VIRTUAL_LINK, &REDISTRIBUTE, &IMPORT, &LINK, &L2, &L2_SITE, &L2_HOST];
    lists.iter().any(|section| section.title == format!("`[[{name}]]`"))
}

/// The sections that have `key`, as they are written.
pub(super) fn sections_with(key: &str) -> Vec<&'static str> {
    [
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
    ]
    .into_iter()
    .filter(|section| section.has(key))
    .map(|section| section.title)
    .collect()
}

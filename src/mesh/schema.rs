//! Which keys stand in which section of the mesh file. Nothing about their values.

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// As it is written, `[[site]]`.
    pub title: &'static str,
    /// Its keys, in the order in which they are listed to the user.
    pub keys: &'static [&'static str],
}

/// The top level.
pub(super) static FILE: Section =
    Section { title: "the mesh file", keys: &["mesh", "ospf", "area", "site", "link", "l2"] };

/// `[mesh]`.
pub(super) static MESH: Section = Section {
    title: "`[mesh]`",
    keys: &["name", "loopbacks", "port", "port_mode", "backend", "mtu", "keepalive", "topology", "unlisted"],
};

/// `[ospf]`.
pub(super) static OSPF: Section = Section {
    title: "`[ospf]`",
    keys: &[
        "area",
        "cost",
        "hello_interval",
        "dead_interval",
        "retransmit_interval",
        "transmit_delay",
        "priority",
        "poll_interval",
        "mtu_ignore",
        "prefix_suppression",
        "bfd",
        "auth",
        "auth_sequence",
        "rfc1583_compatibility",
        "spf_delay",
        "stub_router",
        "max_lsas",
        "max_lsas_per_area",
        "max_routes",
        "graceful_restart",
    ],
};

/// `graceful_restart = { … }` of `[ospf]`.
pub(super) static GRACEFUL_RESTART: Section =
    Section { title: "`graceful_restart`", keys: &["helper", "restarter", "grace_period"] };

/// `auth = { … }`, or an element of `auth`.
pub(super) static AUTH: Section = Section {
    title: "`auth`",
    keys: &["type", "key_id", "key_file", "send_from", "send_until", "accept_from", "accept_until"],
};

/// `spf_delay = { … }` of `[ospf]`.
pub(super) static SPF_DELAY: Section =
    Section { title: "`spf_delay`", keys: &["initial", "short", "long", "time_to_learn", "holddown"] };

/// `[[area]]`.
pub(super) static AREA: Section = Section {
    title: "`[[area]]`",
    keys: &[
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
};

/// An element of `ranges` of `[[area]]`.
pub(super) static RANGE: Section = Section { title: "`ranges`", keys: &["prefix", "cost", "advertise"] };

/// An element of `external_ranges` of `[[area]]`.
pub(super) static EXTERNAL_RANGE: Section =
    Section { title: "`external_ranges`", keys: &["prefix", "advertise", "tag"] };

/// `[[site]]`.
pub(super) static SITE: Section = Section {
    title: "`[[site]]`",
    keys: &[
        "name",
        "id",
        "public_key",
        "endpoint",
        "prefixes",
        "port",
        "port_mode",
        "backend",
        "mtu",
        "interface",
        "virtual_link",
        "redistribute",
        "import",
    ],
};

/// `[[site.interface]]`.
pub(super) static SITE_INTERFACE: Section = Section {
    title: "`[[site.interface]]`",
    keys: &[
        "name",
        "ospf",
        "network",
        "neighbors",
        "area",
        "cost",
        "hello_interval",
        "dead_interval",
        "retransmit_interval",
        "transmit_delay",
        "priority",
        "poll_interval",
        "mtu_ignore",
        "prefix_suppression",
        "bfd",
        "auth",
        "auth_sequence",
    ],
};

/// An element of `neighbors` of `[[site.interface]]`.
pub(super) static NEIGHBOR: Section = Section { title: "`neighbors`", keys: &["address", "priority"] };

/// `[[site.virtual_link]]`.
pub(super) static VIRTUAL_LINK: Section = Section {
    title: "`[[site.virtual_link]]`",
    keys: &[
        "area",
        "router_id",
        "site",
        "hello_interval",
        "dead_interval",
        "retransmit_interval",
        "transmit_delay",
        "auth",
        "auth_sequence",
    ],
};

/// `[[site.redistribute]]`.
pub(super) static REDISTRIBUTE: Section =
    Section { title: "`[[site.redistribute]]`", keys: &["from", "prefixes", "metric", "type", "tag"] };

/// `[[site.import]]`.
pub(super) static IMPORT: Section = Section { title: "`[[site.import]]`", keys: &["prefixes", "action"] };

/// `[[link]]`.
pub(super) static LINK: Section = Section {
    title: "`[[link]]`",
    keys: &[
        "between",
        "area",
        "cost",
        "hello_interval",
        "dead_interval",
        "retransmit_interval",
        "transmit_delay",
        "mtu_ignore",
        "bfd",
        "auth",
        "auth_sequence",
    ],
};

/// The sections that have `key`, as they are written.
pub(super) fn sections_with(key: &str) -> Vec<&'static str> {
    [&FILE, &MESH, &OSPF, &AREA, &SITE, &SITE_INTERFACE, &VIRTUAL_LINK, &REDISTRIBUTE, &IMPORT, &LINK]
        .into_iter()
        .filter(|section| section.keys.contains(&key))
        .map(|section| section.title)
        .collect()
}

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
pub(super) static FILE: Section = Section { title: "the mesh file", keys: &["mesh", "ospf", "site", "link", "l2"] };

/// `[mesh]`.
pub(super) static MESH: Section = Section {
    title: "`[mesh]`",
    keys: &["name", "loopbacks", "port", "port_mode", "backend", "mtu", "keepalive", "topology", "unlisted"],
};

/// `[ospf]`.
pub(super) static OSPF: Section =
    Section { title: "`[ospf]`", keys: &["area", "hello_interval", "dead_interval", "cost", "bfd", "auth"] };

/// `[[site]]`.
pub(super) static SITE: Section = Section {
    title: "`[[site]]`",
    keys: &["name", "id", "public_key", "endpoint", "prefixes", "port", "port_mode", "backend", "mtu", "interface"],
};

/// `[[site.interface]]`.
pub(super) static SITE_INTERFACE: Section = Section {
    title: "`[[site.interface]]`",
    keys: &["name", "ospf", "network", "area", "hello_interval", "dead_interval", "cost", "bfd", "auth"],
};

/// `[[link]]`.
pub(super) static LINK: Section = Section {
    title: "`[[link]]`",
    keys: &["between", "area", "hello_interval", "dead_interval", "cost", "bfd", "auth"],
};

/// The sections that have `key`, as they are written.
pub(super) fn sections_with(key: &str) -> Vec<&'static str> {
    [&FILE, &MESH, &OSPF, &SITE, &SITE_INTERFACE, &LINK]
        .into_iter()
        .filter(|section| section.keys.contains(&key))
        .map(|section| section.title)
        .collect()
}

//! The mesh file as one site sees it: which site this router is, and the desired state that follows from the file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context as _, bail};
use tracing::warn;

use super::Options;
use crate::input_file::{self, Accept};
use crate::keys::{PresharedKey, PrivateKey};
use crate::mesh::{self, BackendChoice, Mesh, Site, SiteInterface, Tunnel};
use crate::net::IfName;
use crate::reconcile::filter::Ruleset;
use crate::reconcile::state::{Admin, Backend, Device, FWMARK, Foreign, Link, Peer, State};
use crate::routing::{KeptOut, Keyring};

/// The loopback interface. It has the site's loopback address, as the tunnels do.
pub(super) const LOOPBACK_INTERFACE: &str = "lo";

/// Maximum size of a file of public keys, in bytes: enough for as many sites as a mesh file can have.
const MAX_PUBLIC_KEYS: u64 = 16 << 20;

/// The mesh file from the point of view of one site.
#[derive(Debug)]
pub(super) struct Local {
    /// The text of the mesh file.
    pub text: String,
    /// The parsed mesh file: the whole network.
    pub mesh: Mesh,
    /// This site. Its interfaces are those that the file names, and the existing ones that match its patterns.
    pub site: Site,
    /// Interfaces that the file names, without those that match a pattern.
    named: Vec<SiteInterface>,
    /// The site's tunnels, by interface name.
    pub tunnels: BTreeMap<IfName, Tunnel>,
    /// The desired nftables ruleset; `None` if the site needs none.
    pub filter: Option<Ruleset>,
    /// The keys with which the site's OSPF packets are authenticated.
    pub keyring: Keyring,
    key: PrivateKey,
    /// The preshared keys of the tunnels that have one, by interface name.
    preshared: BTreeMap<IfName, PresharedKey>,
}

impl Local {
    /// Reads the mesh file and the keys, and determines which site this is from the private key.
    pub(super) fn load(options: &Options) -> anyhow::Result<Self> {
        let name = options.mesh_file.display().to_string();
        Self::of(options, &name, mesh::read(&options.mesh_file, Accept::Regular)?)
    }

    /// Does the same as [`Local::load`], but with `text` instead of the content of the mesh file. Messages call the file `name`.
    pub(super) fn of(options: &Options, name: &str, text: String) -> anyhow::Result<Self> {
        let key = PrivateKey::load(&options.key_file, Accept::Regular)?;
        let mesh::Parsed { mut mesh, warnings } = mesh::parse(name, &text)?;
        for line in warnings.to_string().lines() {
            warn!("{line}");
        }
        if let Some(file) = &options.public_keys {
            replace_public_keys(&mut mesh, file)?;
        }
        let site = mesh.own_site(&key.public())?.clone();
        let tunnels = mesh.tunnels(&site).into_iter().map(|tunnel| (tunnel.interface.clone(), tunnel)).collect();
        let directory = options.mesh_file.parent().unwrap_or(Path::new(""));
        let keyring = Keyring::load(directory, &mesh, &site)?;
        let preshared = preshared_keys(directory, &tunnels)?;
        let filter = Ruleset::of(&mesh, &site);
        let named = site.interfaces.clone();
        Ok(Self { text, mesh, site, named, tunnels, filter, keyring, key, preshared })
    }

    /// The desired state of the tunnels (links, devices and addresses) and of the filter. `endpoint` returns the address to send to; `None`
    /// if it is not known, or must not be set.
    pub(super) fn desired(&self, backend: Backend, endpoint: impl Fn(&IfName) -> Option<SocketAddr>) -> State {
        let links = self.tunnels.iter().map(|(interface, tunnel)| {
            let link = Link { backend, mtu: u32::from(tunnel.mtu), admin: Admin::Up };
            (interface.clone(), link)
        });
        let devices = self.tunnels.iter().map(|(interface, tunnel)| {
            let device = self.device(tunnel, endpoint(interface));
            (interface.clone(), device)
        });
        let loopback = IfName::new(LOOPBACK_INTERFACE).expect("`lo` is an interface name");
        let carriers = self.tunnels.keys().cloned().chain([loopback]);
        State {
            links: links.collect(),
            devices: devices.collect(),
            addresses: carriers.map(|interface| (interface, self.site.loopback)).collect::<BTreeSet<_>>(),
            filter: self.filter.clone(),
            ..State::default()
        }
    }

    /// The interfaces that weft creates or uses, whether they exist or not. Those of segments are not among them.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = IfName> {
        let loopback = IfName::new(LOOPBACK_INTERFACE).expect("`lo` is an interface name");
        let of_site = self.site.interfaces.iter().map(|interface| interface.name.clone());
        self.tunnels.keys().cloned().chain([loopback]).chain(of_site)
    }

    /// Finds the existing interfaces that match the site's patterns, and makes them interfaces of the site. Returns whether the site's
    /// interfaces have changed.
    ///
    /// Interfaces that the file names, and ports of segments, do not count as matches of a pattern.
    pub(super) fn find_interfaces(&mut self, foreign: &Foreign) -> bool {
        let named: BTreeSet<&IfName> = self.named.iter().map(|interface| &interface.name).collect();
        let of_segments = self.mesh.segments.iter().filter_map(|segment| segment.sites.get(&self.site.id));
        let ports: BTreeSet<&IfName> = of_segments.flat_map(|site| &site.ports).collect();
        let unnamed = foreign
            .interfaces
            .keys()
            .filter(|name| name.as_str() != LOOPBACK_INTERFACE && !named.contains(name) && !ports.contains(name));
        let found = unnamed.filter_map(|name| {
            let pattern = self.site.interface_patterns.iter().find(|pattern| pattern.is_pattern_of(name))?;
            Some(SiteInterface { name: name.clone(), ..pattern.clone() })
        });
        let interfaces: Vec<SiteInterface> = self.named.iter().cloned().chain(found).collect();
        let differs = interfaces != self.site.interfaces;
        self.site.interfaces = interfaces;
        differs
    }

    /// The policy of the mesh file for this site: the routes that it keeps out on purpose.
    pub(super) fn kept_out(&self) -> KeptOut {
        KeptOut::of(&self.mesh, &self.site)
    }

    /// The UDP ports on which the site's tunnels listen. Ports that follow from the sites' ids are one range; ports that the file sets for
    /// single tunnels are separate.
    pub(super) fn listen_ports(&self) -> Vec<RangeInclusive<u16>> {
        let (own, regular): (Vec<&Tunnel>, Vec<&Tunnel>) =
            self.tunnels.values().partition(|tunnel| tunnel.has_own_port);
        let regular = regular.into_iter().map(|tunnel| tunnel.listen_port);
        let range = regular.clone().min().zip(regular.max()).map(|(first, last)| first..=last);
        range.into_iter().chain(own.into_iter().map(|tunnel| tunnel.listen_port..=tunnel.listen_port)).collect()
    }

    /// The WireGuard implementation that this site uses.
    pub(super) fn backend(&self, kernel_has_wireguard: bool) -> anyhow::Result<Backend> {
        match (self.site.backend, kernel_has_wireguard) {
            (BackendChoice::Userspace, _) | (BackendChoice::Auto, false) => Ok(Backend::Userspace),
            (BackendChoice::Kernel | BackendChoice::Auto, true) => Ok(Backend::Kernel),
            (BackendChoice::Kernel, false) => {
                bail!("this kernel has no WireGuard: load its module, or say `backend = \"userspace\"` or \"auto\"")
            }
        }
    }

    fn device(&self, tunnel: &Tunnel, endpoint: Option<SocketAddr>) -> Device {
        Device {
            key: self.key.clone(),
            listen_port: tunnel.listen_port,
            fwmark: FWMARK,
            peer: Peer {
                public_key: tunnel.peer_key,
                endpoint,
                keepalive_s: tunnel.keepalive.map_or(0, |keepalive| keepalive.as_secs().try_into().unwrap_or(u16::MAX)),
                preshared: self.preshared.get(&tunnel.interface).cloned(),
            },
        }
    }
}

#[cfg(test)]
impl Local {
    /// The example mesh of three sites (`configs/triangle.toml`) as `site` reads it, with a new key for the site.
    pub(super) fn example(site: &str) -> Self {
        Self::with_key(include_str!("../../configs/triangle.toml"), site)
    }

    /// A mesh file as `site` reads it, in which a new key replaces the site's key.
    pub(super) fn with_key(text: &str, site: &str) -> Self {
        let written = mesh::parse("mesh", text).unwrap().mesh.site(site).unwrap().public_key.to_string();
        let key = PrivateKey::generate();
        let dir = tempfile::tempdir().unwrap();
        key.save(&dir.path().join("key")).unwrap();
        let options = Options {
            mesh_file: dir.path().join("mesh.toml"),
            key_file: dir.path().join("key"),
            run_dir: dir.path().to_owned(),
            state_dir: dir.path().to_owned(),
            public_keys: None,
            trace: None,
        };
        Self::of(&options, "mesh.toml", text.replace(&written, &key.public().to_string())).unwrap()
    }
}

/// Reads the preshared keys of these tunnels. Their files are relative to `directory`.
fn preshared_keys(
    directory: &Path,
    tunnels: &BTreeMap<IfName, Tunnel>,
) -> anyhow::Result<BTreeMap<IfName, PresharedKey>> {
    let files = tunnels.values().filter_map(|tunnel| Some((tunnel, tunnel.preshared_key_file.as_ref()?)));
    let keys = files.map(|(tunnel, file)| {
        let key = PresharedKey::load(&directory.join(file));
        let key = key.with_context(|| format!("the preshared key of the tunnel to site {}", tunnel.peer))?;
        Ok((tunnel.interface.clone(), key))
    });
    keys.collect()
}

/// Replaces public keys of sites by those in `file`, as a lab needs it. Each line is `SITE BASE64`.
fn replace_public_keys(mesh: &mut Mesh, file: &Path) -> anyhow::Result<()> {
    let text = input_file::read_text(file, MAX_PUBLIC_KEYS).with_context(|| format!("reading {}", file.display()))?;
    for (number, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", file.display(), number + 1);
        let (name, key) = line.split_once(' ').with_context(|| format!("{}: not `SITE BASE64`", place()))?;
        let key = key.parse().with_context(place)?;
        if let Some(site) = mesh.sites.iter_mut().find(|site| site.name == name) {
            site.public_key = key;
        }
    }
    Ok(())
}

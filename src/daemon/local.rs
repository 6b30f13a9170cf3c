//! Which site this router is, and what the mesh file alone says must exist here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use tracing::warn;

use super::Options;
use crate::input_file::{self, Accept};
use crate::keys::PrivateKey;
use crate::mesh::{self, BackendChoice, IfName, Mesh, Site, Tunnel};
use crate::reconcile::filter::Ruleset;
use crate::reconcile::state::{Admin, AllowedIps, Backend, Device, FWMARK, Identity, Link, Peer, State};
use crate::routing::Keyring;

/// The interface that carries the loopback address besides the tunnels.
pub(super) const LOOPBACK_INTERFACE: &str = "lo";

/// The largest file of public keys that is read, in bytes: as many sites as a mesh file can have.
const MAX_PUBLIC_KEYS: u64 = 16 << 20;

/// The mesh file from the point of view of one site.
#[derive(Debug)]
pub(super) struct Local {
    /// The whole network.
    pub mesh: Mesh,
    /// This site.
    pub site: Site,
    /// Its tunnels, by interface name.
    pub tunnels: BTreeMap<IfName, Tunnel>,
    /// What nftables is to hold.
    pub filter: Option<Ruleset>,
    /// What it authenticates itself with to OSPF's neighbours.
    pub keyring: Keyring,
    key: PrivateKey,
}

impl Local {
    /// Reads the mesh file and the key, and finds out which site this is.
    pub(super) fn load(options: &Options) -> anyhow::Result<Self> {
        let key = PrivateKey::load(&options.key_file, Accept::Regular)?;
        let mesh::Parsed { mut mesh, warnings } = mesh::load(&options.mesh_file, Accept::Regular)?;
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
        let filter = Ruleset::of(&mesh, &site);
        Ok(Self { mesh, site, tunnels, filter, keyring, key })
    }

    /// Links, devices and addresses of all tunnels, and the filter. `endpoint` gives the address to send to, where one is known and wanted.
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

    /// Interfaces that weft makes or uses besides those of segments, whether or not they are there.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = IfName> {
        let loopback = IfName::new(LOOPBACK_INTERFACE).expect("`lo` is an interface name");
        let of_site = self.site.interfaces.iter().map(|interface| interface.name.clone());
        self.tunnels.keys().cloned().chain([loopback]).chain(of_site)
    }

    /// Which WireGuard this site uses.
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
            identity: Identity::Desired(self.key.clone()),
            listen_port: tunnel.listen_port,
            fwmark: FWMARK,
            peer: Some(Peer {
                public_key: tunnel.peer_key,
                endpoint,
                keepalive_s: tunnel.keepalive.map_or(0, |keepalive| keepalive.as_secs().try_into().unwrap_or(u16::MAX)),
                allowed_ips: AllowedIps::Everything,
                handshake_age: None,
            }),
            strangers: BTreeSet::new(),
        }
    }
}

/// Replaces sites' public keys by those of a lab: lines of `SITE BASE64`.
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

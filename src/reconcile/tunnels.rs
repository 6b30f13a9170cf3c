//! What the plan needs from whoever drives WireGuard: the engine's interfaces, and the configuration of either back-end.
//!
//! The executor carries out [`DeviceChange`]s through [`Tunnels`]; it never decides here what a device should look like.

use std::future::Future;
use std::net::SocketAddr;

use super::state::Device;
use crate::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::mesh::IfName;

/// WireGuard's side of the reconcile loop. Every operation may be repeated without harm.
pub trait Tunnels: Sync {
    /// Has the engine make a TUN device of this name and serve it; good if it does so already. Alias, MTU, addresses
    /// and flags are set by the caller afterwards.
    fn add_userspace(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Has the engine let go of the device, which disappears; good if the engine does not know it.
    fn remove_userspace(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Has the engine serve the device under another name, by which the caller is about to rename its interface. Sessions go on.
    fn rename_userspace(&self, from: &IfName, to: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Writes exactly what `change` names; everything else, above all a live peer's session, stays as it is.
    fn configure(&self, interface: &IfName, change: &DeviceChange) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Whether a process answers at the UAPI socket of the interface, though its device may have no key yet.
    fn is_served(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// The device's present configuration; `None` if nothing answers for this interface (no kernel WireGuard device,
    /// and no engine behind its UAPI socket), or the device has no key yet.
    fn observe(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<Option<Device>>> + Send;
}

/// What to write to a WireGuard device: only what differs. `None` and empty mean "leave it".
///
/// Never to be carried out with REPLACE_PEERS, nor REPLACE_ALLOWEDIPS on a peer that exists: packets drop meanwhile.
#[derive(Debug, Clone, Default)]
pub struct DeviceChange {
    /// Our key.
    pub private_key: Option<PrivateKey>,
    /// UDP port; 0 for any that is free.
    pub listen_port: Option<u16>,
    /// SO_MARK of the encrypted packets.
    pub fwmark: Option<u32>,
    /// Peers to remove, before `peer` is written.
    pub remove: Vec<PublicKey>,
    /// The peer to add or change.
    pub peer: Option<PeerChange>,
}

/// What to write to one peer, which is added if the device does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerChange {
    /// Which.
    pub public_key: PublicKey,
    /// Where to send.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: Option<u16>,
    /// Whether to add AllowedIPs `0.0.0.0/0` and `::/0`.
    pub allowed_ips: AllowedIpsChange,
    /// What to do about the preshared key.
    pub preshared: PresharedChange,
}

/// What to do about a peer's preshared key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PresharedChange {
    /// It is right.
    #[default]
    Keep,
    /// Take it away.
    Remove,
    /// Put this one there.
    Set(PresharedKey),
}

/// What to do about a peer's AllowedIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpsChange {
    /// They are right.
    Keep,
    /// Add `0.0.0.0/0` and `::/0`.
    AddEverything,
}

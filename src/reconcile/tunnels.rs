//! The interface between the plan and the drivers of WireGuard: the engine's interfaces, and the configuration of either back-end.
//!
//! The executor carries out [`DeviceChange`]s through [`Tunnels`]; an implementation never decides how a device should be configured.

use std::future::Future;
use std::net::SocketAddr;

use super::state::ObservedDevice;
use crate::keys::{PresharedKey, PrivateKey, PublicKey};
use crate::net::IfName;

/// The operations on WireGuard that the reconcile loop needs. Repeating an operation does no harm.
pub trait Tunnels: Sync {
    /// Makes the engine create a TUN device of this name and serve it; succeeds if it does so already. The caller sets the alias, MTU,
    /// addresses and flags afterwards.
    fn add_userspace(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Makes the engine release the device, which deletes it; succeeds if the engine does not know it.
    fn remove_userspace(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Makes the engine serve the device under another name, to which the caller is about to rename its interface. Sessions are kept.
    fn rename_userspace(&self, from: &IfName, to: &IfName) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Writes exactly what `change` contains. Everything else stays as it is, in particular the session of a live peer.
    fn configure(&self, interface: &IfName, change: &DeviceChange) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Returns whether a process answers at the UAPI socket of the interface, even if its device has no key yet.
    fn is_served(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// Returns the present configuration of the device. `None` if the device has no key yet, or does not exist: there is no kernel
    /// WireGuard device, and no engine answers at its UAPI socket.
    fn observe(&self, interface: &IfName) -> impl Future<Output = anyhow::Result<Option<ObservedDevice>>> + Send;
}

/// The differences to write to a WireGuard device. `None` and empty values mean "leave unchanged".
///
/// It must not be carried out with REPLACE_PEERS, nor with REPLACE_ALLOWEDIPS on a peer that exists: packets would be dropped meanwhile.
#[derive(Debug, Clone, Default)]
pub struct DeviceChange {
    /// The private key of this router.
    pub private_key: Option<PrivateKey>,
    /// UDP port; 0 for any free one.
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
    /// Its public key.
    pub public_key: PublicKey,
    /// The address to send to.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: Option<u16>,
    /// Whether to add AllowedIPs `0.0.0.0/0` and `::/0`.
    pub allowed_ips: AllowedIpsChange,
    /// The change of the preshared key.
    pub preshared: PresharedChange,
}

/// A change of a peer's preshared key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PresharedChange {
    /// The present key is correct.
    #[default]
    Keep,
    /// Remove the key.
    Remove,
    /// Set this key.
    Set(PresharedKey),
}

/// A change of a peer's AllowedIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpsChange {
    /// They are correct.
    Keep,
    /// Add `0.0.0.0/0` and `::/0`.
    AddEverything,
}

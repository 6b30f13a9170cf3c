//! One interface from its first to its last moment: TUN device, data path and UAPI socket live and end together.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::InterfaceName;
use crate::device::Device;
use crate::socket::{MAX_CLIENTS, Socket, SocketError};
use crate::tun::Tun;
use crate::uapi;

/// How often the MTU and the socket's name are looked at: neither announces its change.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Before the next attempt where a client could not be accepted, for want of descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a closed data path may take to let go of the TUN device.
const LET_GO_ATTEMPTS: u32 = 1000;
const LET_GO_PAUSE: Duration = Duration::from_millis(1);

/// Why an interface could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No TUN device.
    #[error("making TUN device {name}{}", hint(.source))]
    Tun {
        /// Which.
        name: InterfaceName,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No UAPI socket.
    #[error("opening its UAPI socket")]
    Socket(#[from] SocketError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => " (needs CAP_NET_ADMIN)",
        Some(libc::EBUSY) => " (another process holds it)",
        Some(libc::EINVAL) => " (an interface of another kind has the name)",
        _ => "",
    }
}

/// Why an interface ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Through us.
    Asked,
    /// Somebody deleted the link.
    Deleted,
    /// Somebody removed the socket, which is how one stops a userspace WireGuard.
    SocketRemoved,
    /// A bug of ours.
    Panicked,
}

/// An interface that is served by [`Interface::run`].
pub struct Interface {
    name: InterfaceName,
    tun: Arc<Tun>,
    device: Arc<Device>,
    socket: Socket,
}

impl Interface {
    /// Makes the TUN device and its socket `DIR/NAME.sock`.
    pub async fn open(name: &InterfaceName, dir: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Tun { name: name.clone(), source };
        let tun = Arc::new(Tun::open(name).map_err(failed)?);
        let device = Arc::new(Device::open(Arc::clone(&tun)).await.map_err(failed)?);
        let socket = Socket::listen(&dir.join(format!("{name}.sock"))).await?;
        tracing::info!(interface = %name, "interface opened");
        Ok(Self { name: name.clone(), tun, device, socket })
    }

    /// Serves until `stop` fires (or its sender is dropped), the link is deleted or the socket removed. Afterwards the
    /// name is free again.
    pub async fn run(self, stop: oneshot::Receiver<()>) -> Ending {
        let Self { name, tun, device, socket } = self;
        let mut clients = JoinSet::new();
        let ending = serve(&name, &tun, &device, &socket, &mut clients, stop).await;
        tracing::info!(interface = %name, ?ending, "interface ended");
        clients.shutdown().await;
        drop(socket);
        let device = Arc::into_inner(device).expect("its clients have ended");
        device.stop().await;
        for _ in 0..LET_GO_ATTEMPTS {
            if Arc::strong_count(&tun) == 1 {
                break;
            }
            tokio::time::sleep(LET_GO_PAUSE).await;
        }
        if Arc::strong_count(&tun) > 1 {
            tracing::error!(interface = %name, "the data path does not let go of the TUN device");
        }
        ending
    }
}

async fn serve(
    name: &InterfaceName,
    tun: &Tun,
    device: &Arc<Device>,
    socket: &Socket,
    clients: &mut JoinSet<()>,
    mut stop: oneshot::Receiver<()>,
) -> Ending {
    let mut look_around = interval(LOOK_AROUND);
    look_around.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stop => return Ending::Asked,
            () = tun.deleted() => return Ending::Deleted,
            _ = look_around.tick() => {
                if !socket.is_in_place() {
                    return Ending::SocketRemoved;
                }
                match tun.mtu() {
                    Ok(mtu) => device.mtu_changed(mtu),
                    Err(error) => tracing::debug!(interface = %name, %error, "reading MTU"),
                }
            }
            accepted = socket.accept(), if clients.len() < MAX_CLIENTS => match accepted {
                Ok(client) => {
                    let (name, device) = (name.clone(), Arc::clone(device));
                    clients.spawn(async move {
                        if let Err(error) = uapi::serve(&device, client).await {
                            tracing::debug!(interface = %name, %error, "UAPI client");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(interface = %name, %error, "accepting a UAPI client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

//! One interface with its TUN device, data path and UAPI socket, which begin and end together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::InterfaceName;
use crate::clients::{Clients, Event};
use crate::device::Device;
use crate::socket::{Socket, SocketError};
use crate::tun::{Namespace, Tun};
use crate::uapi;

/// How often the MTU, the socket's name and the data path are checked: nothing reports their changes.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// How long to wait, after the data path has failed, for the report that the link was deleted.
const DELETION: Duration = Duration::from_millis(50);

/// How often, and how far apart, it is checked whether a closed data path has released the TUN device.
const LET_GO_ATTEMPTS: u32 = 1000;
const LET_GO_PAUSE: Duration = Duration::from_millis(1);

/// Why an interface could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The TUN device could not be made.
    #[error("making TUN device {name}{}", hint(.source))]
    Tun {
        /// Name of the interface.
        name: InterfaceName,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The UAPI socket could not be opened.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The engine closed it on request.
    Asked,
    /// Another process deleted the link.
    Deleted,
    /// Another process removed the socket, which is the usual way to stop a userspace WireGuard.
    SocketRemoved,
    /// The data path ended by itself, for this reason, so that the interface carried no packets.
    Failed(String),
    /// A task of the interface panicked, which is a bug of the engine.
    Panicked,
}

impl Ending {
    /// Whether the interface ended without a request.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Panicked)
    }
}

/// An order to an interface that is being served.
pub struct Order {
    /// The task to carry out.
    pub task: Task,
    /// Receives the outcome.
    pub reply: oneshot::Sender<Result<(), SocketError>>,
}

/// A task of an [`Order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Serves the interface by this name from now on.
    Rename(InterfaceName),
    /// Makes the interface's socket again if it was removed.
    Listen,
}

/// An open interface, which [`Interface::run`] serves.
pub struct Interface {
    name: InterfaceName,
    /// Directory of the UAPI sockets.
    dir: PathBuf,
    tun: Arc<Tun>,
    device: Arc<Device>,
    socket: Socket,
}

impl Interface {
    /// Makes the TUN device and its socket `DIR/NAME.sock`.
    pub async fn open(name: &InterfaceName, dir: &Path, namespace: &Namespace) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Tun { name: name.clone(), source };
        let tun = Arc::new(Tun::open(name, namespace).map_err(failed)?);
        let device = Arc::new(Device::open(Arc::clone(&tun)).await.map_err(failed)?);
        let socket = Socket::listen(&socket_path(dir, name)).await?;
        tracing::info!(interface = %name, "interface opened");
        Ok(Self { name: name.clone(), dir: dir.to_owned(), tun, device, socket })
    }

    /// Serves the interface until `stop` fires (or its sender is dropped), the link is deleted, the socket is removed, or the data path
    /// fails. Afterwards the name is free again.
    pub async fn run(mut self, stop: oneshot::Receiver<()>, orders: mpsc::Receiver<Order>) -> Ending {
        let mut clients = Clients::default();
        let ending = self.serve(&mut clients, stop, orders).await;
        let Self { name, tun, device, socket, .. } = self;
        if ending.is_failure() {
            tracing::error!(interface = %name, ?ending, "interface ended; whoever wants it makes it again");
        } else {
            tracing::info!(interface = %name, ?ending, "interface ended");
        }
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

impl Interface {
    async fn serve(
        &mut self,
        clients: &mut Clients,
        mut stop: oneshot::Receiver<()>,
        mut orders: mpsc::Receiver<Order>,
    ) -> Ending {
        let mut look_around = interval(LOOK_AROUND);
        look_around.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut stop => return Ending::Asked,
                Some(Order { task, reply }) = orders.recv() => {
                    let outcome = match task {
                        Task::Rename(to) => self.rename(to).await,
                        Task::Listen => self.listen().await,
                    };
                    // The client may have disconnected; its order was carried out nevertheless.
                    let _ = reply.send(outcome);
                }
                () = self.tun.deleted() => return Ending::Deleted,
                _ = look_around.tick() => {
                    if !self.socket.is_in_place() {
                        return Ending::SocketRemoved;
                    }
                    match self.tun.mtu() {
                        Ok(mtu) => self.device.mtu_changed(mtu),
                        Err(error) => tracing::debug!(interface = %self.name, %error, "reading MTU"),
                    }
                    if let Some(reason) = self.device.failure() {
                        // The data path also fails if the link is deleted.
                        let deleted = timeout(DELETION, self.tun.deleted()).await.is_ok();
                        return if deleted { Ending::Deleted } else { Ending::Failed(reason) };
                    }
                }
                event = clients.next(&self.socket) => match event {
                    Event::Came(client, place) => {
                        let device = Arc::clone(&self.device);
                        clients.serve(async move { uapi::serve(&device, client, &place).await });
                    }
                    // The client's change may be half applied.
                    Event::Gone(Err(error)) if error.is_panic() => return Ending::Panicked,
                    Event::Gone(_) => {}
                },
            }
        }
    }

    /// Makes the UAPI socket again if it is not in its place.
    async fn listen(&mut self) -> Result<(), SocketError> {
        if !self.socket.is_in_place() {
            self.socket = Socket::listen(&socket_path(&self.dir, &self.name)).await?;
            tracing::info!(interface = %self.name, "socket made again");
        }
        Ok(())
    }

    /// Listens on the UAPI socket of the new name, and no longer on that of the old one.
    async fn rename(&mut self, to: InterfaceName) -> Result<(), SocketError> {
        self.socket = Socket::listen(&socket_path(&self.dir, &to)).await?;
        self.tun.rename(to.clone());
        tracing::info!(interface = %self.name, %to, "interface renamed");
        self.name = to;
        Ok(())
    }
}

fn socket_path(dir: &Path, name: &InterfaceName) -> PathBuf {
    dir.join(format!("{name}.sock"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{Change, DeviceUpdate, PeerUpdate, PublicKey, Secret};

    /// An interface with a key and a peer, whose packets come from the other end of `tun`.
    async fn interface(dir: &Path, tun: UnixStream) -> Interface {
        tun.set_nonblocking(true).unwrap();
        let name = InterfaceName::new("lo").unwrap();
        let packets = File::from(OwnedFd::from(tun));
        let tun = Arc::new(Tun::of(&name, packets, &Namespace::open().unwrap()).unwrap());
        let device = Arc::new(Device::open(Arc::clone(&tun)).await.unwrap());
        let socket = Socket::listen(&dir.join("lo.sock")).await.unwrap();
        let update = DeviceUpdate {
            private_key: Some(Change::Set(Secret::new(Zeroizing::new([7; 32])))),
            peers: vec![PeerUpdate::new(PublicKey([9; 32]))],
            ..DeviceUpdate::default()
        };
        device.apply(update).await.unwrap();
        Interface { name, dir: dir.to_owned(), tun, device, socket }
    }

    /// Has an interface do something; `None` if it has ended.
    async fn order(orders: &mpsc::Sender<Order>, task: Task) -> Option<Result<(), SocketError>> {
        let (reply, done) = oneshot::channel();
        orders.send(Order { task, reply }).await.ok()?;
        done.await.ok()
    }

    #[tokio::test]
    async fn an_interface_whose_data_path_has_ended_ends_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let interface = interface(dir.path(), ours).await;
        let (_stop, stopped) = oneshot::channel();
        let (_orders, received) = mpsc::channel(1);
        let running = tokio::spawn(interface.run(stopped, received));
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let ending = tokio::time::timeout(Duration::from_secs(30), running).await.expect("somebody watches").unwrap();
        let Ending::Failed(reason) = &ending else { panic!("{ending:?}") };
        assert!(reason.starts_with("reading from the TUN device: "), "{reason}");
        assert!(!dir.path().join("lo.sock").exists(), "the name is free");
    }

    #[tokio::test]
    async fn an_interface_listens_by_the_name_that_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let interface = interface(dir.path(), ours).await;
        let (stop, stopped) = oneshot::channel();
        let (orders, received) = mpsc::channel(1);
        let running = tokio::spawn(interface.run(stopped, received));
        let [old, new] = ["lo.sock", "other.sock"].map(|name| dir.path().join(name));
        assert!(order(&orders, Task::Rename(InterfaceName::new("other").unwrap())).await.unwrap().is_ok());
        assert!(new.exists() && !old.exists());
        tokio::net::UnixStream::connect(&new).await.unwrap();
        drop(stop);
        assert_eq!(running.await.unwrap(), Ending::Asked);
        assert!(!new.exists());
    }

    #[tokio::test]
    async fn a_socket_that_somebody_removes_is_made_again_for_whoever_wants_the_interface() {
        // A look around that falls between the removal and the order ends the interface, as it has to: then it is tried again.
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let interface = interface(dir.path(), ours).await;
            let (_stop, stopped) = oneshot::channel();
            let (orders, received) = mpsc::channel(1);
            let running = tokio::spawn(interface.run(stopped, received));
            let path = dir.path().join("lo.sock");
            assert!(order(&orders, Task::Listen).await.unwrap().is_ok(), "it is there");
            std::fs::remove_file(&path).unwrap();
            let Some(made) = order(&orders, Task::Listen).await else { continue };
            assert!(made.is_ok());
            tokio::net::UnixStream::connect(&path).await.unwrap();
            std::fs::remove_file(&path).unwrap();
            let _taken = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let Some(refused) = order(&orders, Task::Listen).await else { continue };
            assert!(matches!(refused, Err(SocketError::Taken(_))));
            assert_eq!(running.await.unwrap(), Ending::SocketRemoved, "nobody can find it");
            return;
        }
        panic!("the interface always ended first");
    }

    /// A task that ends a moment before its neighbours at a change of the port is none that failed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_device_that_changes_its_port_often_has_not_failed() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let interface = interface(dir.path(), ours).await;
        for change in 0..2000 {
            interface.device.apply(DeviceUpdate { listen_port: Some(0), ..DeviceUpdate::default() }).await.unwrap();
            assert_eq!(interface.device.failure(), None, "after {change} changes");
        }
    }
}

//! The interfaces of this process by name. Each runs in a task of its own; the end of one does not affect the others.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};

use crate::InterfaceName;
use crate::descriptors::{self, LimitReached};
use crate::interface::{Ending, Interface, OpenError, Order, Task};
use crate::panics::contained;
use crate::socket::SocketError;
use crate::tun::Namespace;

/// Maximum number of interfaces of one process.
pub const MAX_INTERFACES: usize = 4096;

/// Why an interface was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// There are [`MAX_INTERFACES`] interfaces already.
    #[error("the engine has {MAX_INTERFACES} interfaces already")]
    Full,
    /// The limit of open files leaves no room for its descriptors.
    #[error(transparent)]
    Files(#[from] LimitReached),
    /// The TUN device or the UAPI socket could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why an interface was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// The engine does not serve it, or it has just ended.
    #[error("the engine has no interface {0}")]
    Unknown(InterfaceName),
    /// Another interface has the new name.
    #[error("the engine has an interface {0} already")]
    Taken(InterfaceName),
    /// The UAPI socket of the new name could not be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// All interfaces of this process.
pub struct Registry {
    dir: PathBuf,
    namespace: Namespace,
    running: BTreeMap<InterfaceName, Running>,
    tasks: JoinSet<Ending>,
}

struct Running {
    task: Id,
    /// Dropping it stops the interface; `None` once the interface has been stopped.
    stop: Option<oneshot::Sender<()>>,
    orders: mpsc::Sender<Order>,
}

impl Running {
    /// Sends an order and waits for its outcome; `None` if the interface has ended or is about to end.
    async fn order(&self, task: Task) -> Option<Result<(), SocketError>> {
        let (reply, done) = oneshot::channel();
        self.orders.send(Order { task, reply }).await.ok()?;
        done.await.ok()
    }
}

impl Registry {
    /// Makes an empty registry. Its interfaces will be in the network namespace of this thread, and their UAPI sockets in `dir`.
    pub fn new(dir: PathBuf) -> io::Result<Self> {
        Ok(Self { dir, namespace: Namespace::open()?, running: BTreeMap::new(), tasks: JoinSet::new() })
    }

    /// Opens interface `name`. If it is open already, this only makes sure that clients find its UAPI socket. If it is about to end, this
    /// waits for its end and opens it again.
    pub async fn add(&mut self, name: &InterfaceName) -> Result<(), AddError> {
        self.forget_ended();
        if let Some(running) = self.running.get(name) {
            match running.order(Task::Listen).await {
                Some(outcome) => return Ok(outcome.map_err(OpenError::from)?),
                None => self.ended(name).await,
            }
        }
        if self.running.len() >= MAX_INTERFACES {
            return Err(AddError::Full);
        }
        descriptors::check(self.running.len())?;
        let interface = Interface::open(name, &self.dir, &self.namespace).await?;
        let (stop, stopped) = oneshot::channel();
        let (orders, received) = mpsc::channel(1);
        let task = self.tasks.spawn(contained(interface.run(stopped, received))).id();
        self.running.insert(name.clone(), Running { task, stop: Some(stop), orders });
        Ok(())
    }

    /// Serves interface `name` as `to`: its UAPI socket has that name from now on. Succeeds if that is the case already.
    pub async fn rename(&mut self, name: &InterfaceName, to: &InterfaceName) -> Result<(), RenameError> {
        self.forget_ended();
        let unknown = || RenameError::Unknown(name.clone());
        match (self.running.get(name), self.running.contains_key(to)) {
            (None, true) => return Ok(()),
            (Some(_), true) => return Err(RenameError::Taken(to.clone())),
            (_, false) => {}
        }
        let running = self.running.get(name).ok_or_else(unknown)?;
        running.order(Task::Rename(to.clone())).await.ok_or_else(unknown)??;
        if let Some(running) = self.running.remove(name) {
            self.running.insert(to.clone(), running);
        }
        Ok(())
    }

    /// Closes interface `name` and returns when the name is free. Succeeds if there is no such interface.
    pub async fn remove(&mut self, name: &InterfaceName) {
        if let Some(running) = self.running.get_mut(name) {
            running.stop = None;
            self.ended(name).await;
        }
    }

    /// Waits until interface `name`, which is about to end, has ended.
    async fn ended(&mut self, name: &InterfaceName) {
        while self.running.contains_key(name) && self.next_ended().await.is_some() {}
    }

    /// Closes all interfaces.
    pub async fn remove_all(&mut self) {
        for name in self.names() {
            self.remove(&name).await;
        }
    }

    /// Names of the open interfaces, ordered.
    pub fn names(&mut self) -> Vec<InterfaceName> {
        self.forget_ended();
        self.running.keys().cloned().collect()
    }

    /// Whether no interface is open.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until an interface has ended; `None` if there are no interfaces.
    pub async fn next_ended(&mut self) -> Option<(InterfaceName, Ending)> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.forget(ended))
    }

    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    /// Removes an interface whose task has ended. The panic of one interface does not end the others.
    fn forget(&mut self, ended: Result<(Id, Ending), JoinError>) -> (InterfaceName, Ending) {
        let (task, ending) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "an interface's task");
            (error.id(), Ending::Panicked)
        });
        let mut ended = self.running.extract_if(.., |_, running| running.task == task);
        let (name, _) = ended.next().expect("every task is that of one running interface");
        (name, ending)
    }
}

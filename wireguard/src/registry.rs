//! The interfaces of this process by name. Each runs in a task of its own; the end of one concerns no other.

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

/// Most interfaces of one process.
pub const MAX_INTERFACES: usize = 4096;

/// Why an interface was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// [`MAX_INTERFACES`].
    #[error("the engine has {MAX_INTERFACES} interfaces already")]
    Full,
    /// Each needs descriptors.
    #[error(transparent)]
    Files(#[from] LimitReached),
    /// It could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why an interface was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// It is not served here, or has just ended.
    #[error("the engine has no interface {0}")]
    Unknown(InterfaceName),
    /// Another has the new name.
    #[error("the engine has an interface {0} already")]
    Taken(InterfaceName),
    /// There is no socket by the new name.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// All interfaces.
pub struct Registry {
    dir: PathBuf,
    namespace: Namespace,
    running: BTreeMap<InterfaceName, Running>,
    tasks: JoinSet<Ending>,
}

struct Running {
    task: Id,
    /// Dropped to stop the interface; `None` once it has been.
    stop: Option<oneshot::Sender<()>>,
    orders: mpsc::Sender<Order>,
}

impl Running {
    /// What became of an order; `None` if the interface has ended or is about to.
    async fn order(&self, task: Task) -> Option<Result<(), SocketError>> {
        let (reply, done) = oneshot::channel();
        self.orders.send(Order { task, reply }).await.ok()?;
        done.await.ok()
    }
}

impl Registry {
    /// None yet; they will be in the network namespace of this thread, their UAPI sockets in `dir`.
    pub fn new(dir: PathBuf) -> io::Result<Self> {
        Ok(Self { dir, namespace: Namespace::open()?, running: BTreeMap::new(), tasks: JoinSet::new() })
    }

    /// Opens `name`; good if it is open already, and clients find it. One that is about to end is waited for, and opened again.
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

    /// Serves `name` as `to`: its UAPI socket has that name from now on. Good if that is so already.
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

    /// Closes `name` and returns when the name is free; good if there is no such interface.
    pub async fn remove(&mut self, name: &InterfaceName) {
        if let Some(running) = self.running.get_mut(name) {
            running.stop = None;
            self.ended(name).await;
        }
    }

    /// Waits until `name`, which is about to end, is free.
    async fn ended(&mut self, name: &InterfaceName) {
        while self.running.contains_key(name) && self.next_ended().await.is_some() {}
    }

    /// Closes them all.
    pub async fn remove_all(&mut self) {
        for name in self.names() {
            self.remove(&name).await;
        }
    }

    /// The open interfaces, ordered.
    pub fn names(&mut self) -> Vec<InterfaceName> {
        self.forget_ended();
        self.running.keys().cloned().collect()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for an interface to end; `None` if there is none.
    pub async fn next_ended(&mut self) -> Option<(InterfaceName, Ending)> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.forget(ended))
    }

    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    /// One interface that panics takes no other with it.
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

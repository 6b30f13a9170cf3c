//! The interfaces of this process by name. Each runs in a task of its own; the end of one concerns no other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::InterfaceName;
use crate::interface::{Ending, Interface, OpenError};

/// Most interfaces of one process.
pub const MAX_INTERFACES: usize = 4096;

/// Why an interface was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// [`MAX_INTERFACES`].
    #[error("the engine has {MAX_INTERFACES} interfaces already")]
    Full,
    /// It could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// All interfaces.
pub struct Registry {
    dir: PathBuf,
    /// Dropping a sender stops the interface.
    running: BTreeMap<InterfaceName, oneshot::Sender<()>>,
    tasks: JoinSet<(InterfaceName, Ending)>,
}

impl Registry {
    /// None yet; their UAPI sockets will be in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Opens `name`; good if it is open already.
    pub async fn add(&mut self, name: &InterfaceName) -> Result<(), AddError> {
        self.forget_ended();
        if self.running.contains_key(name) {
            return Ok(());
        }
        if self.running.len() >= MAX_INTERFACES {
            return Err(AddError::Full);
        }
        let interface = Interface::open(name, &self.dir).await?;
        let (stop, stopped) = oneshot::channel();
        let task_name = name.clone();
        self.tasks.spawn(async move { (task_name, interface.run(stopped).await) });
        self.running.insert(name.clone(), stop);
        Ok(())
    }

    /// Closes `name` and returns when the name is free; good if there is no such interface.
    pub async fn remove(&mut self, name: &InterfaceName) {
        if let Some(stop) = self.running.get_mut(name) {
            let (nobody, _) = oneshot::channel();
            drop(std::mem::replace(stop, nobody));
            while self.running.contains_key(name) && self.next_ended().await.is_some() {}
        }
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
        let ended = self.tasks.join_next().await?;
        let (name, ending) = ended.expect("an interface's task neither panics nor is aborted");
        self.running.remove(&name);
        Some((name, ending))
    }

    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            let (name, _) = ended.expect("an interface's task neither panics nor is aborted");
            self.running.remove(&name);
        }
    }
}

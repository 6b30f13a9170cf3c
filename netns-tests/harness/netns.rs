//! Network namespaces and the veth pairs between them, made with `ip`.

use std::fs::File;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use super::process::{command, run};

/// A network namespace of our own; deleted, with all that is in it, when this is dropped.
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes the namespace, after deleting one of that name that a killed test has left.
    pub fn new(name: &str) -> Result<Self> {
        run(&format!("ip netns delete {name}")).ok();
        run(&format!("ip netns add {name}"))?;
        let netns = Self { name: name.to_owned() };
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip ARGUMENTS` in it.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        ip(&self.name, arguments)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.name)).ok();
    }
}

/// `ip ARGUMENTS` in namespace `netns`.
pub fn ip(netns: &str, arguments: &str) -> Result<String> {
    run(&format!("ip -n {netns} {arguments}"))
}

/// The command `line` in namespace `netns`.
pub fn inside(netns: &str, line: &str) -> Command {
    command(&format!("ip netns exec {netns} {line}"))
}

/// Does something on a thread that is in the namespace; a socket made there stays there.
pub fn in_netns<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = format!("/run/netns/{netns}");
    let namespace = File::open(&path).with_context(|| format!("opening {path}"))?;
    let inside = || {
        setns(namespace, CloneFlags::CLONE_NEWNET).context("entering the namespace: it needs root")?;
        work()
    };
    thread::scope(|scope| scope.spawn(inside).join()).map_err(|_| anyhow!("a thread in {netns} panicked"))?
}

/// A veth pair between two namespaces, both ends up: (namespace, interface, address with length) each.
pub fn veth(left: (&str, &str, &str), right: (&str, &str, &str)) -> Result<()> {
    run(&format!("ip link add {} netns {} type veth peer name {} netns {}", left.1, left.0, right.1, right.0))?;
    for (netns, interface, address) in [left, right] {
        ip(netns, &format!("address add {address} dev {interface}"))?;
        ip(netns, &format!("link set {interface} up"))?;
    }
    Ok(())
}

/// The routes of `netns` that `ip route show SELECTOR` lists, as `PREFIX …` lines without white space at their ends.
pub fn routes(netns: &str, selector: &str) -> Result<Vec<String>> {
    Ok(ip(netns, &format!("route show {selector}"))?.lines().map(|line| line.trim().to_owned()).collect())
}

//! `weft down` leaves nothing behind.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::process::run;
use crate::harness::wait::eventually;

/// For the daemon to take everything away and end.
const GONE: Duration = Duration::from_secs(10);

#[test]
fn weft_down_leaves_no_link_route_rule_address_socket_or_process() -> Result<()> {
    let lab = Lab::up("t-down", &mesh::triangle("t-down"))?;
    ensure!(!lab.weft_routes("taipei")?.is_empty(), "there is nothing to take away");
    ensure!(lab.run_at("taipei", "nft list tables")?.contains("weft-t-down"), "there is no filter to take away");
    lab.run_at("taipei", &format!("{} down", env!("CARGO_BIN_EXE_weft")))?;
    eventually("every process of weft in taipei to end", GONE, || {
        Ok(run(&format!("ip netns pids {}", lab.netns("taipei")))?.trim().is_empty().then_some(()))
    })?;
    for what in ["-o link show", "-o address show", "route show table all", "rule show"] {
        let left = lab.ip("taipei", what)?;
        let ours = |line: &&str| line.contains("wg-") || line.contains("proto 201") || line.contains("10.255.");
        let ours: Vec<&str> = left.lines().filter(ours).collect();
        ensure!(ours.is_empty(), "`ip {what}` still shows {ours:#?}");
    }
    let tables = lab.run_at("taipei", "nft list tables")?;
    ensure!(!tables.contains("weft-"), "nftables still has\n{tables}");
    let sockets = lab.run_at("taipei", "find /run/wireguard /run/weft -type s")?;
    ensure!(sockets.trim().is_empty(), "sockets are left:\n{sockets}");
    lab.down()
}

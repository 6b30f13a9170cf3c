//! Tests inside a virtual machine with a distribution's kernel, which has WireGuard.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::mesh::BACKEND_VARIABLE;
use crate::harness::vm::guest::Guest;

/// Emulation without KVM is 10 to 20 times slower than the machine itself, and slower still while that does something else.
const DEADLINE: Duration = Duration::from_secs(420);

/// What the kernel of a router with WireGuard tunnels needs and may have as modules.
const MODULES: [&str; 11] = [
    "wireguard",
    "tun",
    "veth",
    "bridge",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "ipv6",
    "nft_fib_inet",
    "nft_limit",
];

/// The virtual machine itself, without weft: two kernel WireGuard devices in namespaces reach each other.
#[test]
fn the_guest_kernel_has_a_working_wireguard() -> Result<()> {
    let mut guest = Guest::new(&MODULES)?;
    guest.programs(&["ip", "wg", "ping"])?;
    let console = guest.run(
        "set -e
        umask 077
        for n in a b; do ip netns add $n; wg genkey >/tmp/$n; ip -n $n link add wg0 type wireguard; done
        ip link add va netns a type veth peer name vb netns b
        for n in a b; do
          case $n in a) i=1 o=b j=2;; b) i=2 o=a j=1;; esac
          ip -n $n addr add 192.0.2.$i/24 dev v$n
          ip -n $n link set v$n up
          ip netns exec $n wg set wg0 listen-port 51820 private-key /tmp/$n peer $(wg pubkey </tmp/$o) \\
            allowed-ips 0.0.0.0/0 endpoint 192.0.2.$j:51820
          ip -n $n addr add 10.0.0.$i/24 dev wg0
          ip -n $n link set wg0 up
        done
        ip netns exec a ping -c 3 -i 0.2 -W 5 10.0.0.2
        uname -r",
        DEADLINE,
    )?;
    ensure!(console.contains(" 0% packet loss"), "{console}");
    Ok(())
}

/// Tests of this very program that say nothing of what is below the tunnels, once more, on kernel WireGuard.
#[test]
fn a_mesh_on_kernel_wireguard_reaches_full_and_pings_and_heals_and_lets_nothing_forged_in() -> Result<()> {
    let mut guest = Guest::new(&MODULES)?;
    guest.programs(&["ip", "bridge", "nft", "wg", "ping", "ps"])?;
    let tests = std::env::current_exe().context("finding this program")?;
    guest.program(&tests)?;
    guest.program(Path::new(env!("CARGO_BIN_EXE_weft")))?;
    let script = format!(
        "export {BACKEND_VARIABLE}=kernel
        {} --test-threads=1 --exact triangle::hosts_behind_three_sites_reach_each_other heal::a_deleted_tunnel_is_back \
        forgery::forged_packets_of_a_lan_host_stay_at_its_site",
        tests.display()
    );
    let console = guest.run(&script, DEADLINE)?;
    ensure!(console.contains("test result: ok. 3 passed"), "{console}");
    Ok(())
}

/// What Ethernet segments need besides.
const SEGMENT_MODULES: [&str; 2] = ["vxlan", "nft_meta_bridge"];

/// And once more with segments, which are the kernel's own as well as the tunnels there; and with a bridge that filters VLANs, which a small
/// kernel does not.
#[test]
fn a_segment_over_kernel_wireguard_goes_around_a_dead_tunnel_and_follows_a_host_that_moves_and_is_a_vlan() -> Result<()>
{
    let modules: Vec<&str> = MODULES.into_iter().chain(SEGMENT_MODULES).collect();
    let mut guest = Guest::new(&modules)?;
    guest.programs(&["ip", "bridge", "ss", "nft", "iperf3", "wg", "ping", "ps"])?;
    let tests = std::env::current_exe().context("finding this program")?;
    guest.program(&tests)?;
    guest.program(Path::new(env!("CARGO_BIN_EXE_weft")))?;
    let script = format!(
        "export {BACKEND_VARIABLE}=kernel
        {} --test-threads=1 --include-ignored --exact \
        existing_bridge::a_vlan_of_a_bridge_reaches_the_other_site_and_another_vlan_does_not segments::a_segment_goes_around_a_dead_tunnel_and_a_dead_site_is_not_answered_for \
        segments::a_host_that_moves_keeps_its_connections segments::other_sites_see_no_more_of_a_storm_than_the_limit",
        tests.display()
    );
    let console = guest.run(&script, DEADLINE)?;
    ensure!(console.contains("test result: ok. 4 passed"), "{console}");
    Ok(())
}

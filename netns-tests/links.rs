//! What a link has of its own: endpoints, a port, an MTU, keepalive and a key that both ends share.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(30);

const LINK: &str = r#"
[[link]]
between = ["taipei", "osaka"]
endpoint = { osaka = "198.51.100.2" }
port = { osaka = 4500 }
mtu = 1300
keepalive = "7s"
preshared_key_file = "keys/pair.psk"
auth = { type = "md5", key_id = 1, key_file = "pair.key" }
"#;

const OSAKA: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);

/// A field of `wg show INTERFACE` of the one peer.
fn shown(lab: &Lab, site: &str, interface: &str, field: &str) -> Result<String> {
    let text = lab.run_at(site, &format!("wg show {interface} {field}"))?;
    Ok(text.split_whitespace().last().context("wg shows nothing")?.to_owned())
}

#[test]
fn a_link_has_its_own_endpoint_port_mtu_keepalive_and_keys() -> Result<()> {
    // Osaka has this address only: with two it might send from the other one, and would be followed there.
    let text = format!("{}{LINK}", mesh::triangle("t-links").replace("endpoint = \"203.0.113.2\"\n", ""));
    let mut lab = Lab::up("t-links", &text)?;
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    let of_taipei = |field: &str| shown(&lab, "taipei", "wg-osaka", field);
    ensure!(of_taipei("endpoints")? == "198.51.100.2:4500", "{}", of_taipei("endpoints")?);
    ensure!(of_taipei("persistent-keepalive")? == "7", "{}", of_taipei("persistent-keepalive")?);
    ensure!(shown(&lab, "osaka", "wg-taipei", "listen-port")? == "4500", "osaka's port");
    let key = of_taipei("preshared-keys")?;
    ensure!(key.len() == 44 && shown(&lab, "osaka", "wg-taipei", "preshared-keys")? == key, "one key at both ends");
    ensure!(shown(&lab, "taipei", "wg-seoul", "preshared-keys")? == "(none)", "a key where none is wanted");
    ensure!(lab.ip("osaka", "link show wg-taipei")?.contains("mtu 1300"), "the link's MTU at osaka");
    ensure!(lab.ip("taipei", "link show wg-seoul")?.contains("mtu 1420"), "the MTU of others");

    // Somebody takes it away: weft puts it back.
    lab.run_at("taipei", &format!("wg set wg-osaka peer {} preshared-key /dev/null", of_taipei("peers")?))?;
    eventually("the key to be back", SETTLED, || Ok((of_taipei("preshared-keys")? == key).then_some(())))?;

    lab.change(&text.replace("preshared_key_file = \"keys/pair.psk\"\n", ""))?;
    eventually("no key at either end", SETTLED, || {
        let taipei = shown(&lab, "taipei", "wg-osaka", "preshared-keys")?;
        Ok((taipei == "(none)" && shown(&lab, "osaka", "wg-taipei", "preshared-keys")? == "(none)").then_some(()))
    })?;
    lab.await_full()?;
    lab.await_ping("taipei", OSAKA, SETTLED)?;
    lab.down()
}

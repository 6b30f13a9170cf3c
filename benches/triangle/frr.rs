//! FRR's `zebra` and `ospfd` over `wireguard-go` on the triangle, as an operator would set them up: a numbered network
//! on each tunnel, point-to-point, hello 1 s, dead 4 s, everything else as FRR has it.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::underlay::{SITES, Site};
use crate::harness::frr::Frr;
use crate::harness::netns::inside;
use crate::harness::process::{Background, output_of};
use crate::harness::wait::eventually;

/// The three routers.
pub struct Routers {
    routers: Vec<Frr>,
    _tunnels: Vec<Background>,
    _dir: TempDir,
}

impl Routers {
    /// Starts everything at all three sites at once, with this BFD profile on the tunnels if there is one: the lines below `profile`.
    pub fn start(bfd: Option<&str>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("wg-").tempdir()?;
        for site in SITES {
            let script = format!("umask 077; wg genkey > {0}.key && wg pubkey < {0}.key > {0}.pub", site.name());
            output_of(Command::new("sh").arg("-c").arg(script).current_dir(dir.path()))?;
        }
        let mut tunnels = Vec::new();
        for site in SITES {
            let mut command = inside(&site.netns(), "sh -c");
            command.arg(tunnel_script(site, &dir)?).current_dir(dir.path());
            tunnels.push(Background::start(&format!("wireguard-go-{}", site.name()), command, dir.path())?);
        }
        for (site, tunnel) in SITES.into_iter().zip(&mut tunnels) {
            let ready = dir.path().join(format!("{}.ready", site.name()));
            eventually(&format!("the tunnels of {}", site.name()), PATIENCE, || {
                tunnel.alive()?;
                Ok(ready.exists().then_some(()))
            })?;
        }
        let routers = std::thread::scope(|scope| {
            let start = move |site: Site| match bfd {
                None => Frr::start(&site.netns(), &ospfd_conf(site, "")),
                Some(profile) => {
                    let ospfd = ospfd_conf(site, " ip ospf bfd\n ip ospf bfd profile tunnel\n");
                    Frr::start_with_bfd(&site.netns(), &ospfd, &format!("bfd\n profile tunnel\n{profile}"))
                }
            };
            let starts = SITES.map(|site| scope.spawn(move || start(site)));
            starts
                .into_iter()
                .map(|start| start.join().unwrap_or_else(|_| bail!("starting FRR")))
                .collect::<Result<_>>()
        })?;
        Ok(Self { routers, _tunnels: tunnels, _dir: dir })
    }

    /// What `vtysh` prints to a `show` command at a site, as JSON.
    pub fn show(&self, site: Site, command: &str) -> Result<Value> {
        self.routers[usize::from(site.0) - 1].show(command)
    }
}

/// Addresses of a tunnel's ends: ours and the other's.
fn addresses(site: Site, other: Site) -> (String, String) {
    let pair = 10 * site.0.min(other.0) + site.0.max(other.0);
    (format!("10.254.{pair}.{}", site.0), format!("10.254.{pair}.{}", other.0))
}

/// Brings up both tunnels of a site and stays. Sockets have the same names at every site, so each site's are in a mount
/// namespace of its own, which `ip netns exec` has made.
fn tunnel_script(site: Site, dir: &TempDir) -> Result<String> {
    let mut script = "set -e; mkdir -p /run/wireguard; mount -t tmpfs none /run/wireguard\n".to_owned();
    for other in site.others() {
        writeln!(script, "wireguard-go -f wg-{} &", other.name())?;
    }
    for other in site.others() {
        let interface = format!("wg-{}", other.name());
        let public = fs::read_to_string(dir.path().join(format!("{}.pub", other.name()))).context("reading a key")?;
        let (ours, theirs) = addresses(site, other);
        writeln!(
            script,
            "until [ -S /run/wireguard/{interface}.sock ]; do sleep 0.01; done
             wg set {interface} listen-port {listen} private-key {name}.key peer {public} \
                allowed-ips 0.0.0.0/0 endpoint {endpoint}:{port}
             ip address add {ours}/32 peer {theirs}/32 dev {interface}
             ip link set {interface} mtu 1420 multicast on up",
            listen = 51820 + u16::from(other.0),
            name = site.name(),
            public = public.trim(),
            endpoint = other.endpoint(),
            port = 51820 + u16::from(site.0),
        )?;
    }
    writeln!(script, "touch {}.ready; wait", site.name())?;
    Ok(script)
}

fn ospfd_conf(site: Site, of_tunnels: &str) -> String {
    let mut conf = String::new();
    for other in site.others() {
        conf += &format!(
            "interface wg-{}\n ip ospf area 0\n ip ospf network point-to-point\n ip ospf hello-interval 1\n ip ospf dead-interval 4\n{of_tunnels}",
            other.name()
        );
    }
    conf + &format!(
        "interface lan0\n ip ospf area 0\n ip ospf passive\nrouter ospf\n ospf router-id 10.255.0.{}\n",
        site.0
    )
}

//! weft on the triangle: `weft run` in each router's namespace, its own engine below.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::underlay::{SITES, Site};
use crate::harness::netns::inside;
use crate::harness::process::{Background, output_of};

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// The three daemons.
pub struct Routers {
    _daemons: Vec<Background>,
    dir: TempDir,
}

impl Routers {
    /// Writes the mesh file and starts the daemons; `ospf` are further lines of `[ospf]`. Keys are made before, as an operator would.
    pub fn start(ospf: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("weft-").tempdir()?;
        let mut mesh = format!(
            "[mesh]\nname = \"bench\"\nloopbacks = \"10.255.0.0/16\"\nbackend = \"userspace\"\n\n\
             [ospf]\nhello_interval = \"1s\"\ndead_interval = \"4s\"\n{ospf}"
        );
        for site in SITES {
            let key = dir.path().join(format!("{}.key", site.name()));
            let public = output_of(Command::new(WEFT).arg("keygen").arg("--out").arg(&key))?;
            write!(
                mesh,
                "\n[[site]]\nname = \"{}\"\nid = {}\npublic_key = \"{}\"\nendpoint = \"{}\"\nprefixes = [\"{}\"]\n",
                site.name(),
                site.0,
                public.trim(),
                site.endpoint(),
                site.prefix()
            )?;
        }
        let file = dir.path().join("mesh.toml");
        fs::write(&file, mesh).context("writing the mesh file")?;
        let daemon = |site: Site| {
            // Sockets of userspace tunnels have the same names at every site: each gets a place of its own.
            let script = format!(
                "mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && \
                 exec {WEFT} run {file} --key {dir}/{name}.key --run-dir {dir}/{name}.run",
                file = file.display(),
                dir = dir.path().display(),
                name = site.name(),
            );
            let mut command = inside(&site.netns(), "sh -c");
            command.arg(script);
            Background::start(&format!("weft-{}", site.name()), command, dir.path())
        };
        let daemons = SITES.into_iter().map(daemon).collect::<Result<_>>()?;
        Ok(Self { _daemons: daemons, dir })
    }

    /// What `weft ARGUMENTS --json` prints at a site.
    pub fn ask(&self, site: Site, arguments: &str) -> Result<Value> {
        let run_dir = self.dir.path().join(format!("{}.run", site.name()));
        let mut command = inside(&site.netns(), &format!("{WEFT} {arguments} --json --run-dir {}", run_dir.display()));
        serde_json::from_str(&output_of(&mut command)?).context("reading what weft prints")
    }
}

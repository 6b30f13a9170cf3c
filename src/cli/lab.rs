//! `weft lab`: runs a mesh file as network namespaces on this machine.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use self::hosts::Notice;
use super::{Outcome, report};
use crate::lab::console::Console;
use crate::lab::health::Health;
use crate::lab::layout::{Layout, SitePlan};
use crate::lab::netns::Namespace;
use crate::lab::state::State;
use crate::lab::up::{self, Lab};
use crate::lab::{cut, demo, preflight, process, wait};

mod hosts;

/// Run a mesh file, unchanged, in network namespaces on this machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how a mesh works: sites find each other, a path is cut, packets take another way; leaves nothing behind.
    Demo {
        /// The mesh file.
        file: PathBuf,
    },
    /// Build the lab of a mesh file, or change a running lab to match the present file.
    Up {
        /// The mesh file.
        file: PathBuf,
        /// Directory with the sites' real private keys, SITE.key each; otherwise the lab makes its own.
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// How many seconds to wait until everything is up.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        timeout: u64,
    },
    /// Remove a lab and everything that runs in it.
    Down {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
    },
    /// Show what runs, which neighbours and routes there are, where hosts of segments are and whether they reach each other, and what is
    /// cut. Exit code 1 if something is missing.
    Status {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
        /// Print JSON, whose keys scripts may depend on.
        #[arg(long)]
        json: bool,
    },
    /// Run a command at a site, behind it, or between the sites; a shell if none is given.
    Exec {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
        /// SITE, SITE-lan (the host behind it), SITE-nat (the NAT router in front of it), net (between the sites), HOST of a
        /// segment, or SITE-SEGMENT (the switch there).
        place: String,
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Drop all packets between two sites, on the way; their interfaces stay up.
    Cut {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
        /// A site.
        a: String,
        /// Another site.
        b: String,
    },
    /// Move a host of a segment to the switch of another site, and inform weft there as `weft move` does. The host's connections survive.
    Move {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
        /// The host, by its name, MAC or IP address.
        host: String,
        /// The site.
        site: String,
        /// Do not inform weft: with `learn = true` it detects the move itself.
        #[arg(long)]
        silent: bool,
    },
    /// Let packets pass again between two sites, or between all.
    Heal {
        /// The mesh file, or the mesh's name.
        mesh: PathBuf,
        /// A site.
        #[arg(requires = "b")]
        a: Option<String>,
        /// Another site.
        b: Option<String>,
    },
}

impl Args {
    pub(super) fn run(self) -> Result<Outcome> {
        let program = std::env::current_exe().context("finding this program's own file")?;
        match self.command {
            Command::Demo { file } => demo::run(&file, &program).map(|()| Outcome::Good),
            Command::Up { file, keys, timeout } => {
                bring_up(&file, keys.as_deref(), Duration::from_secs(timeout), &program)
            }
            Command::Down { mesh } => take_down(&mesh, &program),
            Command::Status { mesh, json } => status(&running(&mesh, &program)?, json),
            Command::Exec { mesh, place, command } => match execute(&running(&mesh, &program)?, &place, command)? {},
            Command::Cut { mesh, a, b } => {
                let lab = running(&mesh, &program)?;
                let (a, b) = pair(&lab.layout, &a, &b)?;
                let _lock = State::lock()?;
                cut::cut(&lab.layout, a, b)?;
                super::say(format_args!(
                    "packets between {} and {} vanish now; `weft lab heal` ends that",
                    a.name, b.name
                ));
                Ok(Outcome::Good)
            }
            Command::Move { mesh, host, site, silent } => {
                let notice = if silent { Notice::None } else { Notice::Command };
                hosts::relocate(&running(&mesh, &program)?, &host, &site, notice).map(|()| Outcome::Good)
            }
            Command::Heal { mesh, a, b } => {
                let lab = running(&mesh, &program)?;
                let _lock = State::lock()?;
                match a.zip(b) {
                    Some((a, b)) => {
                        let (a, b) = pair(&lab.layout, &a, &b)?;
                        cut::heal(&lab.layout, a, b)?;
                    }
                    None => cut::heal_all(&lab.layout)?,
                }
                Ok(Outcome::Good)
            }
        }
    }
}

/// The lab that is up for `mesh`, for a command that changes or enters it. Checks privileges first.
fn running(mesh: &Path, program: &Path) -> Result<Lab> {
    preflight::check_privileges()?;
    Lab::running(mesh, program)
}

fn bring_up(file: &Path, keys: Option<&Path>, patience: Duration, program: &Path) -> Result<Outcome> {
    let lab = Lab::of_file(file, program)?;
    preflight::check(&lab.mesh)?;
    report::warnings(&lab.warnings);
    let mut console = Console::stdout();
    let start = Instant::now();
    {
        let _lock = State::lock()?;
        console.progress("building");
        let built = lab.build(keys).and_then(|()| lab.start());
        built.with_context(|| {
            format!("bringing the lab up (what is there already: `weft lab down {}`)", lab.mesh.name)
        })?;
    }
    let waited = wait::until_good(&lab, start, patience, |health| {
        console.progress(demo::progress(health));
        Ok(())
    });
    let took = match waited {
        Ok(took) => took,
        Err(error) => {
            console.line(format!("{error:#}"));
            console.line(format!("The lab stays up: `weft lab status {0}`, `weft lab down {0}`.", lab.mesh.name));
            return Ok(Outcome::NotGood);
        }
    };
    let health = Health::of(&lab)?;
    console.line(format!(
        "lab {} is up: all routes after {:.2} s, everything after {:.2} s",
        lab.mesh.name,
        took.routes.as_secs_f64(),
        took.everything.as_secs_f64()
    ));
    console.line(table(&lab, &health));
    console.line(suggestions(&lab, file));
    Ok(Outcome::Good)
}

fn take_down(mesh: &Path, program: &Path) -> Result<Outcome> {
    preflight::check_privileges()?;
    let name = up::mesh_name(mesh)?;
    let _lock = State::lock()?;
    let leftovers = up::down(&name, program)?;
    if !leftovers.evicted.is_empty() {
        super::say(format_args!("ended what still ran in the lab: {}", leftovers.evicted.join(", ")));
    }
    for complaint in &leftovers.complaints {
        super::complain(format_args!("warning: {complaint}"));
    }
    super::say(format_args!("lab {name} is gone"));
    Ok(Outcome::Good)
}

fn status(lab: &Lab, json: bool) -> Result<Outcome> {
    let health = Health::of(lab)?;
    if json {
        super::say(format_args!("{}", serde_json::to_string_pretty(&health)?));
    } else {
        let missing = wait::what_is_missing(&health);
        if !missing.is_empty() {
            super::say(format_args!("missing:\n{missing}\n"));
        }
        super::say(table(lab, &health).trim_end_matches('\n'));
    }
    Ok(if health.is_good() { Outcome::Good } else { Outcome::NotGood })
}

fn execute(lab: &Lab, place: &str, command: Vec<OsString>) -> Result<Infallible> {
    let (namespace, site) = find_place(&lab.layout, place)?;
    let site = site.map(|site| lab.state.site(&site.name));
    let command = match command.is_empty() {
        true => vec![std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())],
        false => command,
    };
    process::become_program(&Namespace::existing(namespace)?, &lab.state, site.as_ref(), &command)
}

/// Finds the namespace called `place`, and the site if it is a site's router.
fn find_place<'a>(layout: &'a Layout, place: &str) -> Result<(&'a str, Option<&'a SitePlan>)> {
    if let Some(site) = layout.site(place) {
        return Ok((&site.namespace, Some(site)));
    }
    // Accept the name with and without the mesh's name in front.
    let whole = [place.to_owned(), format!("{}-{place}", layout.mesh)];
    let found = whole.iter().find_map(|name| layout.nodes.get_key_value(name));
    let Some((namespace, _)) = found else {
        let prefix = format!("{}-", layout.mesh);
        let places: Vec<&str> = layout.nodes.keys().map(|name| name.strip_prefix(&prefix).unwrap_or(name)).collect();
        bail!("there is no `{place}` in the lab of mesh {}; there are {}", layout.mesh, places.join(", "));
    };
    Ok((namespace, layout.sites.iter().find(|site| site.namespace == *namespace)))
}

fn pair<'a>(layout: &'a Layout, a: &str, b: &str) -> Result<(&'a SitePlan, &'a SitePlan)> {
    let find = |name: &str| {
        let names = || layout.sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>().join(", ");
        layout.site(name).with_context(|| format!("mesh {} has no site `{name}`; it has {}", layout.mesh, names()))
    };
    let (first, second) = (find(a)?, find(b)?);
    if first.name == second.name {
        bail!("a cut is between two sites; both are `{a}`");
    }
    Ok((first, second))
}

/// A table with a line for each site and each host of a segment, and what is cut.
fn table(lab: &Lab, health: &Health) -> String {
    let mut rows = vec![["SITE", "WEFT", "NEIGHBOURS", "ROUTES", "UNDERLAY", "LAN HOST"].map(str::to_owned)];
    for (site, plan) in health.sites.iter().zip(&lab.layout.sites) {
        let address = plan.underlay[0].to_string();
        rows.push([
            site.site.clone(),
            site.pid.map_or_else(|| "not running".to_owned(), |pid| format!("pid {pid}")),
            format!("{} of {} Full", site.neighbors.present.len(), site.neighbors.expected()),
            format!("{} of {}", site.routes.present.len(), site.routes.expected()),
            if plan.nat.is_some() { format!("{address} (NAT)") } else { address },
            plan.lan_host.map_or_else(|| "-".to_owned(), |host| host.to_string()),
        ]);
    }
    let mut text = aligned(&rows);
    if !health.hosts.is_empty() {
        let head = hosts::HEAD.map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(hosts::rows(&lab.layout, health)).collect();
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    for (a, b) in &health.cut {
        text.push_str(&format!("cut: {a} - {b}\n"));
    }
    text
}

/// The rows as lines, each column as wide as its widest cell.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn suggestions(lab: &Lab, file: &Path) -> String {
    let file = file.display();
    let mut text = "What to try:\n".to_owned();
    let hosts: Vec<&SitePlan> = lab.layout.sites.iter().filter(|site| site.lan_host.is_some()).collect();
    if let [a, b, ..] = hosts[..] {
        text.push_str(&format!("  weft lab exec {file} {}-lan -- ping {}-lan\n", a.name, b.name));
    }
    if let [a, b, ..] = &lab.layout.sites[..] {
        text.push_str(&format!("  weft lab exec {file} {} -- weft status\n", a.name));
        text.push_str(&format!("  weft lab cut {file} {} {}\n", a.name, b.name));
    }
    let movable = lab.mesh.segments.iter().find_map(|l2| hosts::may_move(&lab.layout, l2));
    if let Some((host, other, site)) = movable {
        text.push_str(&format!("  weft lab exec {file} {host} -- ping {other}\n"));
        text.push_str(&format!("  weft lab move {file} {host} {site}\n"));
    }
    text.push_str(&format!("  weft lab down {file}"));
    text
}

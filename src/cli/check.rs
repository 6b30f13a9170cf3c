//! `weft check`: checks a mesh file, and summarizes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::firewall::{Firewall, rules};
use super::{Outcome, mesh_text, report};
use crate::input_file::Accept;
use crate::keys::PrivateKey;
use crate::mesh::{self, Diagnostics, Endpoint, Finding, Host, LoadError, Mesh, Parsed, Site, SiteId};

/// Check a mesh file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mesh file; `-` is standard input
    file: PathBuf,
    /// A file with a private key: print also which site has this key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The name of a site, for `--firewall`, if its key is not available here
    #[arg(long, value_name = "NAME", requires = "firewall", conflicts_with = "key")]
    site: Option<String>,
    /// Print what the firewall of the site's machine has to let through, instead of a summary
    #[arg(long, value_name = "WHICH", conflicts_with = "json")]
    firewall: Option<Firewall>,
    /// Print what is wrong with the file, or what it amounts to, as JSON
    #[arg(long)]
    json: bool,
}

/// The output with `--json`.
#[derive(Debug, Serialize)]
struct Answer<'d> {
    /// Name of the file.
    file: &'d str,
    /// Whether a router can use it.
    good: bool,
    /// Errors and warnings, in the order of their places in the file.
    findings: Vec<Finding<'d>>,
    /// The summary of a good file.
    mesh: Option<Amount<'d>>,
    /// The site that the key of `--key` belongs to.
    site: Option<&'d str>,
}

#[derive(Debug, Serialize)]
struct Amount<'d> {
    name: &'d str,
    sites: usize,
    tunnels: usize,
    segments: usize,
}

impl Args {
    /// Prints a summary of a good file, or every error of a file that is not.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let (name, text) = mesh_text::read(&self.file);
        match text.and_then(|text| Ok(mesh::parse(&name, &text)?)) {
            Ok(Parsed { mesh, warnings }) => self.good(&name, &mesh, &warnings),
            Err(LoadError::Wrong(errors)) if self.json => {
                let findings = errors.findings().collect();
                print(&Answer { file: &name, good: false, findings, mesh: None, site: None })?;
                Ok(Outcome::NotGood)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn good(&self, name: &str, mesh: &Mesh, warnings: &Diagnostics) -> anyhow::Result<Outcome> {
        let site = match &self.key {
            Some(path) => Some((path, mesh.own_site(&PrivateKey::load(path, Accept::Any)?.public())?)),
            None => None,
        };
        if let Some(firewall) = self.firewall {
            report::warnings(warnings);
            let site = match (site, &self.site) {
                (Some((_, site)), _) => site,
                (None, Some(name)) => mesh.site(name).with_context(|| unknown_site(name, mesh))?,
                (None, None) => bail!("--firewall needs --site NAME or --key FILE: each site has ports of its own"),
            };
            io::stdout().write_all(rules(firewall, mesh, site).as_bytes()).context("writing the rules to stdout")?;
            return Ok(Outcome::Good);
        }
        if self.json {
            let amount = Amount {
                name: &mesh.name,
                sites: mesh.sites.len(),
                tunnels: mesh.links.len(),
                segments: mesh.segments.len(),
            };
            print(&Answer {
                file: name,
                good: true,
                findings: warnings.findings().collect(),
                mesh: Some(amount),
                site: site.map(|(_, site)| site.name.as_str()),
            })?;
            return Ok(Outcome::Good);
        }
        report::warnings(warnings);
        let mut text = summary(name, mesh);
        if let Some((path, site)) = site {
            let _ = writeln!(text, "\n{} is the key of site {} (id {})", path.display(), site.name, site.id);
        }
        io::stdout().write_all(text.as_bytes()).context("writing the summary to stdout")?;
        Ok(Outcome::Good)
    }
}

fn unknown_site(name: &str, mesh: &Mesh) -> String {
    let known: Vec<&str> = mesh.sites.iter().map(|site| site.name.as_str()).collect();
    format!("mesh {} has no site {name:?}: its sites are {}", mesh.name, known.join(", "))
}

fn print(answer: &Answer<'_>) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(answer).context("writing JSON")?;
    io::stdout().write_all(format!("{text}\n").as_bytes()).context("writing to stdout")
}

fn summary(file: &str, mesh: &Mesh) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: good\nmesh {}: {}, {}, {}loopbacks {}\n\n",
        file,
        mesh.name,
        count(mesh.sites.len(), "site"),
        count(mesh.links.len(), "tunnel"),
        if mesh.segments.is_empty() { String::new() } else { count(mesh.segments.len(), "segment") + ", " },
        mesh.loopbacks
    );
    let mut tunnels: BTreeMap<SiteId, usize> = BTreeMap::new();
    for end in mesh.links.iter().flat_map(|link| [link.low, link.high]) {
        *tunnels.entry(end).or_default() += 1;
    }
    let rows = mesh.sites.iter().map(|site| row(site, tunnels.get(&site.id).copied().unwrap_or(0)));
    let head = ["ID", "SITE", "LOOPBACK", "TUNNELS", "ENDPOINT", "PREFIXES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", row[5]);
    }
    text
}

fn row(site: &Site, tunnels: usize) -> [String; 6] {
    let prefixes: Vec<String> = site.prefixes.iter().map(ToString::to_string).collect();
    [
        site.id.to_string(),
        site.name.clone(),
        site.loopback.to_string(),
        tunnels.to_string(),
        site.endpoint.as_ref().map_or_else(|| "-".to_owned(), endpoint),
        if prefixes.is_empty() { "-".to_owned() } else { prefixes.join(" ") },
    ]
}

/// Host and first port as text. The port of a tunnel is the first port plus the id of the site at the other end.
fn endpoint(endpoint: &Endpoint) -> String {
    match &endpoint.host {
        Host::Address(address) => std::net::SocketAddr::new(*address, endpoint.port).to_string(),
        Host::Name(name) => format!("{name}:{}", endpoint.port),
    }
}

//! `weft check`: whether a mesh file is good, and what it amounts to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Outcome, report};
use crate::input_file::Accept;
use crate::keys::PrivateKey;
use crate::mesh::{self, Endpoint, Host, Mesh, Parsed, Site, SiteId};

/// Check a mesh file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mesh file
    file: PathBuf,
    /// A private key: say also which site it makes this router
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Args {
    /// Prints a summary of a good file, or every error of a wrong one.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let Parsed { mesh, warnings } = mesh::load(&self.file, Accept::Any)?;
        report::warnings(&warnings);
        let mut text = summary(&self.file, &mesh);
        if let Some(path) = &self.key {
            let site = mesh.own_site(&PrivateKey::load(path, Accept::Any)?.public())?;
            let _ = writeln!(text, "\n{} is the key of site {} (id {})", path.display(), site.name, site.id);
        }
        io::stdout().write_all(text.as_bytes()).context("writing the summary to stdout")?;
        Ok(Outcome::Good)
    }
}

fn summary(file: &Path, mesh: &Mesh) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: good\nmesh {}: {}, {}, {}loopbacks {}\n\n",
        file.display(),
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

/// The host and its first port; a tunnel's own is this plus the id of the site at the other end.
fn endpoint(endpoint: &Endpoint) -> String {
    match &endpoint.host {
        Host::Address(address) => std::net::SocketAddr::new(*address, endpoint.port).to_string(),
        Host::Name(name) => format!("{name}:{}", endpoint.port),
    }
}

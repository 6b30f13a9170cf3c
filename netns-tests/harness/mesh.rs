//! Mesh files for the tests.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The environment variable by which a run of the tests chooses the back-end: the virtual machine's sets `kernel`.
pub const BACKEND_VARIABLE: &str = "WEFT_TEST_BACKEND";

/// `configs/triangle.toml` under another name and with this run's back-end.
pub fn triangle(mesh: &str) -> String {
    adapted(include_str!("../../configs/triangle.toml"), mesh)
}

/// The first two sites of [`triangle`].
pub fn pair(mesh: &str) -> String {
    let text = triangle(mesh);
    let (pair, _third) = text.rsplit_once("[[site]]").expect("the triangle has three sites");
    pair.to_owned()
}

/// `configs/office-cloud.toml` under another name and with this run's back-end.
pub fn office_cloud(mesh: &str) -> String {
    adapted(include_str!("../../configs/office-cloud.toml"), mesh)
}

/// `configs/lan.toml` under another name, with this run's back-end and intervals for which a test has the time.
pub fn lan(mesh: &str) -> String {
    let text = include_str!("../../configs/lan.toml");
    adapted(&text.replace("_interval = \"10s\"", "_interval = \"1s\"").replace("\"40s\"", "\"4s\""), mesh)
}

/// `configs/l2.toml` under another name and with this run's back-end.
pub fn segments(mesh: &str) -> String {
    adapted(include_str!("../../configs/l2.toml"), mesh)
}

/// `configs/examples/NAME.toml` under another name and with this run's back-end.
pub fn example(name: &str, mesh: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/examples").join(name).with_extension("toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(adapted(&text, mesh))
}

/// `text` with a site that has the id, endpoint and prefix that `id` gives.
pub fn with_site(text: &str, name: &str, id: u8) -> String {
    // Any 32 bytes are a public key, and a lab makes keys of its own.
    let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
    let mut text = text.to_owned();
    write!(
        text,
        "\n[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n\
         prefixes = [\"10.{id}.0.0/16\"]\n"
    )
    .expect("a String takes everything");
    text
}

fn adapted(text: &str, mesh: &str) -> String {
    let backend = std::env::var(BACKEND_VARIABLE).unwrap_or_else(|_| "auto".to_owned());
    let mut out = String::new();
    let mut in_mesh = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_mesh = line == "[mesh]";
        }
        let key = line.split('=').next().unwrap_or_default().trim();
        match key {
            "name" if in_mesh => writeln!(out, "name = \"{mesh}\"\nbackend = \"{backend}\""),
            "backend" if in_mesh => Ok(()),
            _ => writeln!(out, "{line}"),
        }
        .expect("a String takes everything");
    }
    out
}

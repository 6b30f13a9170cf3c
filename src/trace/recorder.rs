//! Writes a trace while the engine runs.
//!
//! Every input is written before the engine gets it, so that the trace of a crash ends with the input that caused it. A trace never stops a
//! router: if it cannot be written, the trace ends with a warning.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use ospf::{Config, Input, Instant, InterfaceId, LinkState, Output, Redaction};
use tracing::{info, warn};

use super::line::{End, FORMAT, Line, Outcome, Start, nanos};

/// The largest size of a trace in octets, unless the operator sets another: a day of a small site.
pub const DEFAULT_LIMIT: u64 = 256 << 20;

/// A trace that is being written.
#[derive(Debug)]
pub struct Recorder {
    /// `None` once the trace has ended.
    file: Option<File>,
    /// Octets written, and the limit of them.
    written: u64,
    limit: u64,
    redactor: Redactor,
    /// The source address of packets from each interface.
    sources: BTreeMap<InterfaceId, Ipv4Addr>,
    /// Outputs of the present input, as lines.
    outputs: Vec<u8>,
}

/// Replaces secrets.
#[derive(Debug)]
struct Redactor {
    redaction: Redaction,
    config: Config,
}

impl Redactor {
    /// The input with its secrets replaced.
    fn input<'a>(&self, input: &Input<'a>) -> Input<'a> {
        match input {
            Input::Packet { interface, source, destination, ttl, payload } => Input::Packet {
                interface: *interface,
                source: *source,
                destination: *destination,
                ttl: *ttl,
                payload: self.packet(payload, *source).into(),
            },
            Input::Configure(config) => Input::Configure(self.config(config)),
            // These have none.
            Input::Link { .. }
            | Input::Path { .. }
            | Input::Opaque { .. }
            | Input::Clear { .. }
            | Input::Tick
            | Input::PrepareRestart { .. }
            | Input::Withdraw
            | Input::Shutdown => input.clone(),
        }
    }

    fn packet(&self, packet: &[u8], source: Ipv4Addr) -> Vec<u8> {
        self.redaction.packet(&self.config, packet, source)
    }

    fn config(&self, config: &Config) -> Config {
        self.redaction.config(config)
    }
}

impl Recorder {
    /// Begins a trace in a new file that only its owner can read. An existing file of that name is renamed to `NAME.old`. `salt` is random.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path, limit: u64, salt: [u8; 32], config: &Config) -> anyhow::Result<Self> {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        match fs::rename(path, &old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.with_context(|| format!("renaming the trace before, {}", path.display()))?,
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("making the trace {}", path.display()))?;
        info!(path = %path.display(), limit, "tracing");
        Ok(Self {
            file: Some(file),
            written: 0,
            limit,
            redactor: Redactor { redaction: Redaction::new(salt), config: config.clone() },
            sources: BTreeMap::new(),
            outputs: Vec::new(),
        })
    }

    /// Writes the first line: the seed and the configuration of the engine.
    pub fn start(&mut self, mesh: &str, site: &str, seed: u64) {
        let config = self.redactor.config(&self.redactor.config);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (mesh, site) = (mesh.to_owned(), site.to_owned());
        self.write(&[Line::Start(Start { format: FORMAT, version, mesh, site, seed, config })]);
    }

    /// Writes an input before the engine gets it.
    pub fn input(&mut self, now: Instant, input: &Input<'_>) {
        if self.file.is_none() {
            return;
        }
        match input {
            Input::Configure(config) => self.redactor.config = config.clone(),
            Input::Link { interface, state: LinkState::Up { addressing, .. } } => {
                self.sources.insert(*interface, addressing.address());
            }
            _ => {}
        }
        let what = self.redactor.input(input);
        self.write(&[Line::Input { at: nanos(now), what }]);
    }

    /// Records an output of the engine.
    pub fn output(&mut self, output: &Output) {
        if self.file.is_none() {
            return;
        }
        let signed = |interface, packet: &[u8]| {
            let source = self.sources.get(&interface).copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
            self.redactor.packet(packet, source)
        };
        if let Some(outcome) = Outcome::of(output, signed) {
            append(&mut self.outputs, &Line::Output(outcome));
        }
    }

    /// Writes the recorded outputs.
    pub fn flush(&mut self) {
        let outputs = std::mem::take(&mut self.outputs);
        if !outputs.is_empty() {
            self.write_octets(&outputs);
        }
    }

    fn write(&mut self, lines: &[Line<'_>]) {
        let mut text = Vec::new();
        lines.iter().for_each(|line| append(&mut text, line));
        self.write_octets(&text);
    }

    fn write_octets(&mut self, text: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let total = self.written + text.len() as u64;
        let result = if total <= self.limit {
            file.write_all(text)
        } else {
            warn!(limit = self.limit, "the trace is as large as it may be and ends");
            let mut end = Vec::new();
            append(&mut end, &Line::End(End::Limit));
            let result = file.write_all(&end);
            self.file = None;
            result
        };
        self.written = total;
        if let Err(error) = result {
            warn!(%error, "the trace cannot be written and ends");
            self.file = None;
        }
    }
}

fn append(text: &mut Vec<u8>, line: &Line<'_>) {
    serde_json::to_writer(&mut *text, line).expect("a line has nothing that JSON has not, its secrets replaced");
    text.push(b'\n');
}

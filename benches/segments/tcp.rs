//! TCP between two hosts, by `iperf3`.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::netns::inside;
use crate::harness::process::{Background, output_of};

/// How long each transfer lasts that is counted, and what is let go by before it.
const SECONDS: u32 = 4;
const WARM_UP: u32 = 1;
/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// Which way the octets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    Forth,
    Back,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Forth => "there",
            Self::Back => "back",
        }
    }
}

/// Bits per second that the receiver got.
pub fn rate(client: &str, (server, address): (&str, Ipv4Addr), direction: Direction) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let mut listener = Background::start("iperf3", inside(server, "iperf3 --server --one-off"), dir.path())?;
    listener.await_answer(START, || {
        let sockets = output_of(&mut inside(server, "ss -Htln sport = :5201"))?;
        ensure!(!sockets.trim().is_empty(), "nobody listens");
        Ok(())
    })?;
    let reverse = if direction == Direction::Back { "--reverse" } else { "" };
    let line = format!("iperf3 --client {address} --omit {WARM_UP} --time {SECONDS} --json {reverse}");
    let shown = output_of(&mut inside(client, &line))?;
    let report: Value = serde_json::from_str(&shown).context("reading what iperf3 says")?;
    report["end"]["sum_received"]["bits_per_second"].as_f64().with_context(|| format!("no rate in {report}"))
}

//! Ping streams between the LAN hosts of all sites of a lab, both ways.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::lab::Lab;
use super::ping::{INTERVAL, Stream};
use super::wait::eventually;

/// For the first answer, and beyond the time in which answers are awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many requests at least are worth a count.
const ENOUGH: u16 = 100;

/// Streams under way, each with its name, as "taipei to osaka".
pub struct Streams(Vec<(String, Stream)>);

/// What was lost.
#[derive(Debug)]
pub struct Losses {
    /// By the stream that has lost most.
    pub most: u16,
    /// A line for each stream that has lost something.
    pub lines: Vec<String>,
}

impl Streams {
    /// Starts one between any two of `sites`, each when its first ping is answered.
    pub fn between(lab: &Lab, sites: &[&str]) -> Result<Self> {
        let mut streams = Vec::new();
        for from in sites {
            for to in sites.iter().filter(|to| *to != from) {
                let host = lab.lan_host(to)?;
                lab.await_ping(&format!("{from}-lan"), host, PATIENCE)?;
                streams.push((format!("{from} to {to}"), Stream::start(&lab.netns(&format!("{from}-lan")), host)?));
            }
        }
        Ok(Self(streams))
    }

    /// Takes out the streams from and to a site.
    pub fn split_off(&mut self, site: &str) -> Self {
        Self(self.0.extract_if(.., |(name, _)| name.contains(site)).collect())
    }

    /// Waits until each stream has as many more answers as it sends requests in `time`.
    pub fn await_answers(&self, time: Duration) -> Result<()> {
        let enough = usize::try_from(time.as_millis() / INTERVAL.as_millis())?;
        let from: Vec<u16> = self.0.iter().map(|(_, stream)| stream.sent()).collect();
        eventually("pings to be answered", time + PATIENCE, || {
            let all = self.0.iter().zip(&from).all(|((_, stream), &from)| stream.answered_since(from) >= enough);
            Ok(all.then_some(()))
        })
    }

    /// Ends them, and counts.
    pub fn finish(self) -> Result<Losses> {
        let mut losses = Losses { most: 0, lines: Vec::new() };
        for (name, stream) in self.0 {
            let count = stream.finish()?;
            ensure!(count.sent >= ENOUGH, "{name}: {count:?}");
            losses.most = losses.most.max(count.lost());
            if count.lost() > 0 {
                losses.lines.push(format!("{name}: {} of {}", count.lost(), count.sent));
            }
        }
        Ok(losses)
    }
}

//! Ping streams between the LAN hosts of all sites of a lab, both ways.

use std::time::Duration;

use anyhow::Result;

use super::lab::Lab;
use super::ping::{INTERVAL, Stream};
use super::wait::eventually;

/// For the first answer, and beyond the time in which answers are awaited.
const PATIENCE: Duration = Duration::from_secs(30);

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
        let pairs: Vec<_> = sites.iter().flat_map(|from| sites.iter().map(move |to| (*from, *to))).collect();
        Self::of(lab, &pairs.into_iter().filter(|(from, to)| from != to).collect::<Vec<_>>(), INTERVAL)
    }

    /// Starts one from the first to the second site of each pair, each when its first ping is answered, with this time between two requests.
    pub fn of(lab: &Lab, pairs: &[(&str, &str)], interval: Duration) -> Result<Self> {
        let mut streams = Vec::new();
        for (from, to) in pairs {
            let (host, place) = (lab.lan_host(to)?, format!("{from}-lan"));
            lab.await_ping(&place, host, PATIENCE)?;
            streams.push((format!("{from} to {to}"), Stream::start_every(interval, &lab.netns(&place), host)?));
        }
        Ok(Self(streams))
    }

    /// Takes out the streams from and to a site.
    pub fn split_off(&mut self, site: &str) -> Self {
        Self(self.0.extract_if(.., |(name, _)| name.contains(site)).collect())
    }

    /// Waits until each stream has as many more answers as it sends requests in `time`.
    pub fn await_answers(&self, time: Duration) -> Result<()> {
        let enough = |stream: &Stream| usize::try_from(time.as_millis() / stream.interval().as_millis());
        let from: Vec<(u16, usize)> =
            self.0.iter().map(|(_, stream)| Ok((stream.sent(), enough(stream)?))).collect::<Result<_>>()?;
        eventually("pings to be answered", time + PATIENCE, || {
            let all =
                self.0.iter().zip(&from).all(|((_, stream), &(from, enough))| stream.answered_since(from) >= enough);
            Ok(all.then_some(()))
        })
    }

    /// Ends them, and counts.
    pub fn finish(self) -> Result<Losses> {
        let mut losses = Losses { most: 0, lines: Vec::new() };
        for (name, stream) in self.0 {
            let count = stream.finish()?;
            losses.most = losses.most.max(count.lost());
            if count.lost() > 0 {
                losses.lines.push(format!("{name}: {} of {}", count.lost(), count.sent));
            }
        }
        Ok(losses)
    }
}

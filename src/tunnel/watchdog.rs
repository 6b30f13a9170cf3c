//! Replaces a WireGuard engine that does not answer any more.
//!
//! ```text
//! connect ─► ask ─── answer ──► wait a second ─┐
//!    ▲        ▲                                │
//!    │        └────────────────────────────────┘
//!    │      no answer: look at the process each second ─► kill it, and the reconcile loop starts another
//!    └──────────────────────────────────────────────────────────┘
//! ```
//! The request goes to the engine's control socket, which its event loop serves. A slow machine is no reason to kill the engine: while one
//! of its threads runs, or would run if a processor were free, the watchdog waits. It replaces the engine
//!
//! - if it is stopped (SIGSTOP) for [`BOUND`]: nothing else would continue it;
//! - if all its threads sleep at [`ASLEEP`] looks, for [`BOUND`] at least, while a request waits in its socket: it will never answer;
//! - if it has not answered for [`SPINNING`], and has used a processor for most of that time: its event loop makes no progress.
//!
//! An engine that a debugger traces is left alone. Time in which this task itself did not run does not count.

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use wireguard::control::{Client, Command, Reply};

use super::EngineProcess;
use crate::proc_stat::{Doing, Glance};

/// The time between two requests, and between two looks at the process.
const PERIOD: Duration = Duration::from_secs(1);
/// After this time without an answer, the engine may be replaced.
const BOUND: Duration = Duration::from_secs(5);
/// How often the engine must be seen asleep.
const ASLEEP: u32 = 4;
/// After this time without an answer, an engine that uses a processor is replaced.
const SPINNING: Duration = Duration::from_secs(60);
/// After this time without an answer, others are informed.
const NOTABLE: Duration = Duration::from_secs(2);
/// How long the kernel may take to end a process that was killed.
const END: Duration = Duration::from_secs(5);

/// Watches the engine for as long as the task lives.
pub(super) async fn watch(engine: Arc<EngineProcess>) {
    loop {
        match Line::open(engine.socket()).await {
            Ok(Some(line)) => {
                if let Err(error) = attend(&engine, line).await {
                    tracing::warn!(error = format!("{error:#}"), "watching the WireGuard engine");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(error = format!("{error:#}"), "no line to the WireGuard engine"),
        }
        engine.note_silence(None);
        engine.note_lost_lines(None);
        sleep(PERIOD).await;
    }
}

/// Sends requests until the engine ends or is killed.
async fn attend(engine: &EngineProcess, mut line: Line) -> anyhow::Result<()> {
    loop {
        let mut silence = Silence::begin(line.pid, Instant::now(), Glance::at(line.pid));
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let verdict = {
            let answer = line.client.request(&Command::List);
            tokio::pin!(answer);
            loop {
                tokio::select! {
                    // Check for the answer first: it counts even if it is late.
                    biased;
                    answer = &mut answer => match answer {
                        Ok(reply) => {
                            if let Reply::Engine(info) = reply {
                                engine.note_lost_lines(info.lost_lines);
                            }
                            break Verdict::Wait;
                        }
                        // The engine has ended, and the socket is closed.
                        Err(_) => return Ok(()),
                    },
                    _ = ticks.tick() => {
                        let verdict = silence.judge(Instant::now(), Glance::at(line.pid));
                        engine.note_silence(silence.is_notable().then(|| silence.clone()));
                        if verdict == Verdict::Replace {
                            break verdict;
                        }
                    }
                }
            }
        };
        if verdict == Verdict::Replace {
            tracing::warn!(pid = line.pid, reason = %silence, "the WireGuard engine is replaced");
            return line.kill().await;
        }
        engine.note_silence(None);
        ticks.reset();
        ticks.tick().await;
    }
}

/// What to do about an engine that has not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Wait,
    Replace,
}

/// A request without an answer, and what the process was seen doing meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Silence {
    pid: i32,
    /// The time without an answer, except for the time in which the watchdog itself did not run.
    length: Duration,
    last_look: Instant,
    cpu_before: Duration,
    glance: Glance,
    /// Consecutive looks at which it was stopped, and looks at which it slept.
    stopped: u32,
    asleep: u32,
}

impl Silence {
    fn begin(pid: i32, now: Instant, glance: Glance) -> Self {
        Self { pid, length: Duration::ZERO, last_look: now, cpu_before: glance.cpu, glance, stopped: 0, asleep: 0 }
    }

    fn judge(&mut self, now: Instant, glance: Glance) -> Verdict {
        // This task itself may have been stopped or starved: the engine is not to blame for that time.
        self.length += now.saturating_duration_since(self.last_look).min(2 * PERIOD);
        self.last_look = now;
        self.glance = glance;
        self.stopped = if glance.doing == Doing::Stopped { self.stopped + 1 } else { 0 };
        self.asleep += u32::from(glance.doing == Doing::Sleeping);
        let computed = glance.cpu.saturating_sub(self.cpu_before);
        let stopped = self.stopped > 1 && self.length >= BOUND;
        let asleep = glance.doing == Doing::Sleeping && self.asleep >= ASLEEP && self.length >= BOUND;
        let spinning = glance.doing == Doing::Working && self.length >= SPINNING && computed >= self.length / 2;
        if stopped || asleep || spinning { Verdict::Replace } else { Verdict::Wait }
    }

    fn is_notable(&self) -> bool {
        self.length >= NOTABLE
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, length, glance, .. } = self;
        let words = glance.words();
        write!(f, "the WireGuard engine (pid {pid}) has not answered for {} s: {words}", length.as_secs())
    }
}

/// A connection to an engine's control socket, and a pidfd of the engine's process.
pub(super) struct Line {
    client: Client,
    pid: i32,
    process: OwnedFd,
}

impl Line {
    /// Connects; `None` if no engine runs. Does not wait for an answer of the engine.
    pub async fn open(socket: &Path) -> anyhow::Result<Option<Self>> {
        // The credentials of the peer identify the process without a request to it.
        let stream = match tokio::net::UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("connecting to {}", socket.display())),
        };
        let pid = getsockopt(&stream, PeerCredentials).context("asking who listens")?.pid();
        let process = match crate::sys::pidfd(pid) {
            Ok(process) => process,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(error).context("getting a hold on the WireGuard engine"),
        };
        // The process id may have been reused since the socket was created: if the process of the pidfd is not the engine, nothing is done
        // to it.
        if !is_engine(pid, socket) {
            bail!("process {pid}, which listens on {}, is not the WireGuard engine", socket.display());
        }
        Ok(Some(Self { client: Client::new(stream), pid, process }))
    }

    /// Asks the engine to stop, and waits until it has released everything.
    pub async fn stop(self) -> io::Result<()> {
        self.client.stop().await
    }

    /// Kills the process, and waits until it has ended.
    pub async fn kill(self) -> anyhow::Result<()> {
        let Self { pid, process, .. } = self;
        crate::sys::kill(process.as_fd()).with_context(|| format!("killing the WireGuard engine (pid {pid})"))?;
        // A pidfd becomes readable when its process has ended.
        let process = crate::sys::register_descriptor(process).context("waiting for its end")?;
        match timeout(END, process.readable()).await {
            Ok(ended) => ended.map(|_guard| ()).context("waiting for its end"),
            Err(_elapsed) => bail!("the WireGuard engine (pid {pid}) was killed and is still there"),
        }
    }
}

/// Whether the process is an engine with this control socket.
fn is_engine(pid: i32, socket: &Path) -> bool {
    let Ok(command) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let Ok(socket) = std::path::absolute(socket) else { return false };
    let arguments: Vec<&[u8]> = command.split(|octet| *octet == 0).collect();
    let names = |argument: &&[u8]| *argument == socket.as_os_str().as_encoded_bytes();
    arguments.get(1) == Some(&b"engine".as_slice()) && arguments.iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(doing: Doing, cpu_s: u64) -> Glance {
        Glance { doing, cpu: Duration::from_secs(cpu_s) }
    }

    /// Looks once a second; after how many the engine is replaced, if it is within `most`.
    fn replaced_after(most: u32, look: impl Fn(u32) -> Glance) -> Option<u32> {
        let begin = Instant::now();
        let mut silence = Silence::begin(1, begin, look(0));
        (1..=most).find(|second| silence.judge(begin + *second * PERIOD, look(*second)) == Verdict::Replace)
    }

    #[test]
    fn a_stopped_engine_is_replaced_after_the_bound_and_one_under_a_debugger_never() {
        assert_eq!(replaced_after(600, |_| glance(Doing::Stopped, 7)), Some(5));
        assert_eq!(replaced_after(600, |_| glance(Doing::Traced, 7)), None);
        assert_eq!(replaced_after(600, |_| glance(Doing::Gone, 0)), None);
    }

    #[test]
    fn an_engine_that_sleeps_over_a_question_is_replaced() {
        assert_eq!(replaced_after(600, |_| glance(Doing::Sleeping, 7)), Some(5));
        // Its data path works now and then, its event loop does not.
        let busy_now_and_then = |second: u32| {
            let doing = if second.is_multiple_of(2) { Doing::Working } else { Doing::Sleeping };
            glance(doing, second.into())
        };
        assert_eq!(replaced_after(600, busy_now_and_then), Some(7));
    }

    #[test]
    fn a_slow_machine_is_no_reason() {
        // Ready to run and without a processor, or with a twentieth of one; or within the kernel, waiting for a disk.
        assert_eq!(replaced_after(600, |_| glance(Doing::Working, 7)), None);
        assert_eq!(replaced_after(600, |second| glance(Doing::Working, u64::from(second) / 20)), None);
        // Asleep for a moment now and then is not asleep over the question.
        let rarely = |second: u32| glance(if second.is_multiple_of(100) { Doing::Sleeping } else { Doing::Working }, 0);
        assert_eq!(replaced_after(399, rarely), None);
    }

    #[test]
    fn an_engine_that_computes_for_ever_is_replaced_late() {
        assert_eq!(replaced_after(600, |second| glance(Doing::Working, second.into())), Some(60));
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let begin = Instant::now();
        let mut silence = Silence::begin(1, begin, glance(Doing::Stopped, 0));
        let later = begin + Duration::from_secs(3600);
        assert_eq!(silence.judge(later, glance(Doing::Stopped, 0)), Verdict::Wait);
        assert_eq!(silence.judge(later + PERIOD, glance(Doing::Stopped, 0)), Verdict::Wait);
    }
}

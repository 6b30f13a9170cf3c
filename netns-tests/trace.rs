//! A trace of a daemon in the lab, replayed.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::netns::inside;
use crate::harness::process::{output_of, tail};
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// The daemon that the lab started is replaced by one with the same arguments that traces: it hears of a whole database, of
/// a path that is cut and of its healing, and is killed.
#[test]
fn a_trace_of_a_live_router_replays_to_the_same_outputs() -> Result<()> {
    let lab = Lab::up("t-trace", &mesh::triangle("t-trace"))?;
    let directory = tempfile::tempdir()?;
    let trace = directory.path().join("taipei.trace");
    let log = directory.path().join("log");
    let arguments = fs::read(format!("/proc/{}/cmdline", lab.daemon("taipei")?))?;
    let arguments = String::from_utf8(arguments)?;
    let arguments: Vec<&str> = arguments.trim_end_matches('\0').split('\0').collect();
    let [program, arguments @ ..] = arguments.as_slice() else { anyhow::bail!("a daemon without arguments") };
    lab.kill_daemon("taipei")?;
    let mut traced = inside(&lab.netns("taipei"), program)
        .args(arguments)
        .arg("--trace")
        .arg(&trace)
        .stderr(Stdio::from(File::create(&log)?))
        .spawn()
        .context("starting the traced daemon")?;
    let outcome = live(&lab);
    traced.kill()?;
    traced.wait()?;
    outcome.with_context(|| format!("the traced daemon said:\n{}", tail(&log)))?;

    let path = trace.to_str().context("a path in UTF-8")?;
    let said = output_of(Command::new(WEFT).args(["replay", path]))?;
    ensure!(said.starts_with("the same: "), "{said}");
    let story = output_of(Command::new(WEFT).args(["replay", path, "--print"]))?;
    for told in ["<- wg-osaka", "-> wg-seoul", "route 10.2.0.0/16", "event Neighbor"] {
        ensure!(story.contains(told), "no `{told}` in the story");
    }
    lab.down()
}

fn live(lab: &Lab) -> Result<()> {
    eventually("taipei to be Full with osaka", SETTLED, || Ok(lab.is_full("taipei", "wg-osaka")?.then_some(())))?;
    lab.cut("taipei", "osaka")?;
    eventually("taipei to miss osaka", SETTLED, || Ok((!lab.is_full("taipei", "wg-osaka")?).then_some(())))?;
    lab.heal("taipei", "osaka")?;
    eventually("taipei to be Full again", SETTLED, || Ok(lab.is_full("taipei", "wg-osaka")?.then_some(())))
}

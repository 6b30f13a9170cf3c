//! A mesh is upgraded one router at a time: the previous version beside the present one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::ping::Stream;
use crate::harness::previous;
use crate::harness::streams::Streams;
use crate::harness::wait::eventually;

const SITES: [&str; 3] = ["taipei", "osaka", "seoul"];

/// The hosts of the segment, each at the site of the same place in [`SITES`].
const HOSTS: [(&str, Ipv4Addr); 3] = [
    ("db1", Ipv4Addr::new(10, 9, 0, 10)),
    ("db2", Ipv4Addr::new(10, 9, 0, 11)),
    ("licences", Ipv4Addr::new(10, 9, 0, 12)),
];

const SETTLED: Duration = Duration::from_secs(30);

/// After an exchange: RouterDeadInterval twice, and whatever an adjacency made anew would break.
const AFTER: Duration = Duration::from_secs(8);

/// Every host of a LAN and of the segment reaches every other, by adjacencies that are all Full.
fn whole(lab: &Lab, state: &str) -> Result<()> {
    lab.await_full().context(state.to_owned())?;
    for (from, (host, _)) in SITES.iter().zip(HOSTS) {
        for (to, (other, address)) in SITES.iter().zip(HOSTS).filter(|(to, _)| *to != from) {
            let lan = lab.lan_host(to)?;
            lab.await_ping(&format!("{from}-lan"), lan, SETTLED).with_context(|| format!("{state}: {from} to {to}"))?;
            lab.await_ping(host, address, SETTLED).with_context(|| format!("{state}: {host} to {other}"))?;
        }
    }
    for site in SITES {
        let problems = || -> Result<String> { Ok(lab.status(site)?["problems"].to_string()) };
        eventually(&format!("{state}: all to be well at {site}"), SETTLED, || Ok((problems()? == "[]").then_some(())))
            .with_context(|| problems().unwrap_or_default())?;
    }
    Ok(())
}

/// Has each router run `program` in turn, while the others talk to each other.
fn exchange_all(lab: &mut Lab, program: &Path, version: &str) -> Result<()> {
    for (site, (host, _)) in SITES.iter().zip(HOSTS) {
        let others: Vec<&str> = SITES.into_iter().filter(|other| other != site).collect();
        let lans = Streams::between(lab, &others)?;
        let hosts: Vec<_> = HOSTS.into_iter().filter(|(other, _)| *other != host).collect();
        let [(one, _), (_, other)] = hosts[..] else { unreachable!("two sites are left") };
        let segment = Stream::start(&lab.netns(one), other)?;
        lab.exchange(site, program)?;
        let state = format!("{site} runs the {version} version");
        whole(lab, &state)?;
        lans.await_answers(AFTER)?;
        let lost = lans.finish()?.lines;
        ensure!(lost.is_empty(), "{state}: the others lost packets: {lost:#?}");
        let count = segment.finish()?;
        ensure!(count.lost() == 0, "{state}: the others' hosts of the segment lost packets: {count:?}");
    }
    Ok(())
}

#[test]
fn a_mesh_is_upgraded_and_taken_back_one_router_at_a_time() -> Result<()> {
    let previous = previous::program()?;
    let mut lab = Lab::up("t-upgrade", &mesh::segments("t-upgrade"))?;
    whole(&lab, "the present version everywhere")?;
    exchange_all(&mut lab, &previous, "previous")?;
    exchange_all(&mut lab, Path::new(WEFT), "present")?;
    lab.down()
}

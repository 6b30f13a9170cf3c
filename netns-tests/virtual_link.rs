//! Virtual links between sites.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// Tunnels are unnumbered, and both ends have their loopbacks in the backbone: nothing in the area says where to send packets to.
#[test]
fn a_virtual_link_through_unnumbered_tunnels_says_that_it_lacks_an_address() -> Result<()> {
    let text = mesh::pair("t-tunnels1");
    let sites: Vec<&str> = text.split("[[site]]").collect();
    let [head, taipei, osaka] = sites[..] else { anyhow::bail!("a pair of sites in {text}") };
    let link = |far: &str| {
        format!(
            "[[site.interface]]\nname = \"eth1\"\nospf = \"passive\"\narea = \"0.0.0.0\"\n\
             [[site.virtual_link]]\narea = \"0.0.0.1\"\nsite = \"{far}\"\n"
        )
    };
    let ospf = "[ospf]\narea = \"0.0.0.1\"\n";
    let text = format!("{head}{ospf}[[site]]{taipei}{}[[site]]{osaka}{}", link("osaka"), link("taipei"));
    let lab = Lab::up("t-tunnels1", &text)?;
    for site in ["taipei", "osaka"] {
        eventually("the problem", SETTLED, || {
            let status = lab.status(site)?;
            let problems = status["problems"].as_array().context("problems")?;
            let is_told = |problem: &str| problem.contains("no address in area 0.0.0.1");
            ensure!(problems.iter().filter_map(|problem| problem.as_str()).any(is_told), "{site}: {problems:?}");
            Ok(Some(()))
        })?;
    }
    lab.down()
}

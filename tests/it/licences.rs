//! What weft is built from may be distributed with it: every dependency's licence is on the list of deny.toml. The list is
//! for `cargo deny`; this holds it true where that program is not at hand.

use std::process::Command;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let list: toml::Table = include_str!("../../deny.toml").parse().unwrap();
    let licenses = &list["licenses"];
    let allowed_for = |name: &str| -> Vec<String> {
        let exceptions = licenses["exceptions"].as_array().unwrap().iter();
        let own = exceptions.filter(|exception| exception["crate"].as_str() == Some(name)).map(|e| &e["allow"]);
        let lists = own.chain([&licenses["allow"]]);
        lists.flat_map(|list| list.as_array().unwrap()).map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut refused = Vec::new();
    for package in metadata()["packages"].as_array().unwrap() {
        let (name, license) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        let allowed = allowed_for(name);
        if !satisfied(license, &allowed) {
            refused.push(format!("{name}: {license}"));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

fn metadata() -> serde_json::Value {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    // Other platforms' crates need not be downloaded for this.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path", MANIFEST])
        .args(["--filter-platform", host.trim()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether one of the alternatives of each part of an SPDX expression is allowed. `/` is the old form of `OR`.
fn satisfied(license: &str, allowed: &[String]) -> bool {
    let plain = license.replace(['(', ')'], "").replace('/', " OR ");
    let allows = |one: &str| allowed.iter().any(|licence| licence == one.trim());
    plain.split(" AND ").all(|part| part.split(" OR ").any(allows))
}

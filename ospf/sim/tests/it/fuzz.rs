//! The fuzz targets' bodies, over the committed corpus and over some thousands of random inputs: that they do not rot, and find nothing cheap.

use std::path::Path;

use ospf_sim::Prng;
use ospf_sim::fuzz::TARGETS;

/// Inputs that broke a rule, by target.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/regressions");
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus");

fn target(name: &str) -> fn(&[u8]) {
    TARGETS.iter().find(|(known, _)| *known == name).expect("a target").1
}

/// The seeds of a target as they are, and each a few times with some octets changed.
fn over_the_corpus(name: &str, changed: usize) {
    let directory = Path::new(CORPUS).join(name);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory that can be read").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "seeds of {name}");
    let mut prng = Prng::new(7);
    for file in files {
        let mut bytes = std::fs::read(&file).expect("a seed that can be read");
        target(name)(&bytes);
        for _ in 0..changed {
            if let Some(octet) = bytes.len().checked_sub(1).map(|last| prng.below(last + 1)) {
                bytes[octet] = prng.next_u64() as u8;
            }
            target(name)(&bytes);
        }
    }
}

fn over_random_inputs(name: &str, count: usize, longest: usize) {
    let mut prng = Prng::new(11);
    for _ in 0..count {
        let bytes: Vec<u8> = (0..prng.below(longest)).map(|_| prng.next_u64() as u8).collect();
        target(name)(&bytes);
    }
}

#[test]
fn what_broke_a_rule_once_does_not_any_more() {
    let directories = std::fs::read_dir(REGRESSIONS).unwrap_or_else(|error| panic!("{REGRESSIONS}: {error}"));
    let mut tried = 0;
    for directory in directories {
        let directory = directory.expect("a directory that can be read").path();
        let name = directory.file_name().and_then(|name| name.to_str()).expect("named after a target").to_owned();
        for file in std::fs::read_dir(directory).expect("a directory of inputs") {
            let path = file.expect("a directory that can be read").path();
            target(&name)(&std::fs::read(path).expect("an input that can be read"));
            tried += 1;
        }
    }
    assert!(tried > 0, "there are regressions");
}

#[test]
fn packets_survive_encoding_whatever_they_are() {
    over_the_corpus("packet", 20);
    over_random_inputs("packet", 5000, 300);
}

#[test]
fn lsas_survive_encoding_whatever_they_are() {
    over_the_corpus("lsa", 20);
    over_random_inputs("lsa", 5000, 300);
}

#[test]
fn engines_keep_their_rules_whatever_happens_to_them() {
    over_the_corpus("trace", 3);
    over_random_inputs("trace", 150, 400);
}

#[test]
fn what_was_configured_before_leaves_no_trace() {
    over_the_corpus("config", 10);
    over_random_inputs("config", 300, 300);
}

#[test]
fn two_engines_agree_again_whatever_the_wire_did_to_them() {
    over_the_corpus("wire", 10);
    over_random_inputs("wire", 300, 400);
}

//! Topology cases: networks in files, and what every router must have converged to.

use std::path::{Path, PathBuf};
use std::process::Command;

use ospf_sim::{Prng, run_case};

/// Our own cases, whose expected values come from shortest paths and the RFC, not from an engine.
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory);
    let entries = entries.unwrap_or_else(|error| panic!("{}, where cases should be: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory that can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "there is no case in {}", directory.display());
    files
}

fn expect_no_difference(directory: &Path) {
    for file in files(directory) {
        let report = run_case(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.differences(), 0, "{report}");
        assert!(report.routers.iter().map(|router| router.compared).sum::<usize>() > 10, "{report}");
    }
}

#[test]
fn every_case_of_another_implementation_comes_to_the_routes_that_it_has() {
    expect_no_difference(&Path::new(OWN).join("holo"));
}

#[test]
fn every_case_of_our_own_comes_to_what_shortest_paths_and_the_rfc_say() {
    expect_no_difference(Path::new(OWN));
}

fn ospf_sim(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ospf-sim")).arg("case").args(arguments).output();
    let output = output.expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_exit_code_says_whether_there_is_a_difference_and_the_text_says_which() {
    let file = format!("{OWN}/unnumbered-ecmp.json");
    let (code, out, _) = ospf_sim(&[&file]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("no difference\n"), "{out}");

    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replacen(r#""prefix": "4.4.4.4/32", "metric": 4"#, r#""prefix": "4.4.4.4/32", "metric": 5"#, 1);
    assert_ne!(changed, text);
    let wrong = directory.path().join("wrong.json");
    std::fs::write(&wrong, changed).unwrap();
    let (code, out, _) = ospf_sim(&[&file, wrong.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("rt1\n  differs 4.4.4.4/32\n    expected 4.4.4.4/32 intra-area 5 via 4.4.4.4%un4-4\n"),
        "{out}"
    );
    assert!(out.ends_with(": 1 difference\n"), "{out}");
}

#[test]
fn a_file_that_is_no_case_is_wrong_usage_and_does_not_keep_others_from_running() {
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.json");
    std::fs::write(&broken, r#"{"name": "x", "roters": {}}"#).unwrap();
    let (code, out, error) = ospf_sim(&[broken.to_str().unwrap(), &format!("{OWN}/unnumbered-ecmp.json")]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("broken.json: roters: unknown field `roters`"), "{error}");
    assert!(out.ends_with("no difference\n"), "{out}");
    assert_eq!(ospf_sim(&[]).0, Some(2));
    assert_eq!(ospf_sim(&["/nowhere.json"]).0, Some(2));
}

/// A word of a case in place of another, or left out, or doubled: whatever comes of it is told, and nothing panics.
#[test]
fn odd_files_are_run_or_refused_with_a_reason() {
    const ODD: [&str; 14] = [
        "",
        "0",
        "-1",
        "4294967296",
        "1e99",
        "null",
        "true",
        "{}",
        "[]",
        "\"\"",
        "\"0.0.0.0\"",
        "\"255.255.255.255\"",
        "\"0.0.0.0/0\"",
        "\"nssa\"",
    ];
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join("odd.json");
    let (mut ran, mut refused) = (0, 0);
    let mut prng = Prng::new(9);
    let texts = ["holo/topo1-2.json", "holo/topo3-1.json", "unnumbered-ecmp.json"];
    let texts = texts.map(|name| std::fs::read_to_string(Path::new(OWN).join(name)).unwrap());
    for _ in 0..400 {
        let text = prng.choose(&texts).unwrap();
        // Only the routers and wires: what is expected is compared, not run.
        let end = text.find("\"expected\"").unwrap();
        let values: Vec<_> = text[..end].match_indices(": ").map(|(at, _)| at + 2).collect();
        let at = *prng.choose(&values).unwrap();
        let len = text[at..].find([',', '\n', '}']).unwrap();
        let changed = format!("{}{}{}", &text[..at], prng.choose(&ODD).unwrap(), &text[at + len..]);
        std::fs::write(&odd, changed).unwrap();
        match run_case(&odd) {
            Ok(_) => ran += 1,
            Err(error) => {
                assert!(error.to_string().starts_with(odd.to_str().unwrap()), "{error}");
                refused += 1;
            }
        }
    }
    assert!(ran > 10 && refused > 100, "{ran} ran, {refused} were refused");
}

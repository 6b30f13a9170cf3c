//! What the documents speak of exists: paths, commands, options.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

#[test]
fn every_path_in_architecture_md_exists() {
    // In that page whatever stands in backquotes with a slash or a dot-suffix is a path below the root.
    let is_path = |text: &&str| {
        let clean = !text.contains(|c: char| c.is_whitespace() || c == ':' || c == '(' || c == '<');
        clean && !text.starts_with('/') && (text.contains('/') || text.ends_with(".toml") || text.ends_with(".md"))
    };
    let paths: Vec<&str> = ARCHITECTURE.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(paths.len() > 20, "a code map names more than {paths:?}");
    let missing: Vec<_> = paths.into_iter().filter(|path| !Path::new(ROOT).join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn the_unit_exposes_no_more_than_a_router_has_to() {
    let unit = Path::new(ROOT).join("configs/weft.service");
    // In tenths.
    let judge = |most: &str| {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--no-pager", &format!("--threshold={most}")]).arg(&unit);
        command.output().expect("needs systemd-analyze: apt-get install systemd")
    };
    let judged = judge("28");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
    assert!(!judge("20").status.success(), "nothing is judged");
}

#[test]
fn each_corner_case_of_ospf_has_a_test_named_after_its_number_and_a_line() {
    let mut tested = std::collections::BTreeSet::new();
    let mut directories = vec![Path::new(ROOT).join("ospf/src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let names = text.split("#[test]\nfn corner_case_").chain(text.split("#[test]\n    fn corner_case_"));
                tested.extend(names.filter_map(|rest| rest.get(..2)?.parse::<u32>().ok()));
            }
        }
    }
    let list = std::fs::read_to_string(Path::new(ROOT).join("ospf/CORNER-CASES.md")).unwrap();
    let numbers = list.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u32>().ok());
    assert_eq!(numbers.collect::<std::collections::BTreeSet<_>>(), tested);
    assert!(tested.len() >= 33, "{tested:?}");
}

#[test]
fn every_crate_and_module_of_the_daemon_is_in_architecture_md() {
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let named = [format!("`src/{module}/"), format!("`src/{module}.rs`")];
        let named = named.iter().any(|path| ARCHITECTURE.contains(path));
        if !named && !["lib", "main"].contains(&module) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md does not say where these stand: {missing:?}");
}

#[test]
fn every_dependency_has_its_line_in_architecture_md() {
    let manifest = include_str!("../../Cargo.toml");
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|line| !line.contains("path = ")).filter_map(|line| line.split_once(" = "));
    let missing: Vec<_> =
        names.map(|(name, _)| name).filter(|name| !ARCHITECTURE.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "dependencies that have not earned a line in ARCHITECTURE.md: {missing:?}");
}

/// Every page for people: its path below the root, and its text.
fn pages() -> Vec<(PathBuf, String)> {
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    let entries = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let docs = entries.map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        (path, text)
    };
    top.into_iter().chain(docs).map(read).collect()
}

/// As renderers of Markdown name a heading: lower case, spaces become dashes, nothing else but letters, digits, `-` and `_`.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let mut links = 0;
    for (page, text) in pages() {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').map_or((target, None), |(path, name)| (path, Some(name)));
            let file = match path {
                "" => Path::new(ROOT).join(&page),
                path => Path::new(ROOT).join(page.parent().unwrap()).join(path),
            };
            assert!(file.exists(), "{} links to {target}", page.display());
            if let Some(heading) = heading {
                let text = fs::read_to_string(file).unwrap();
                let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
                assert!(anchors.any(|anchor| anchor == heading), "{} links to {target}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 40, "only {links} links were found");
}

#[test]
fn the_book_has_every_page_of_docs() {
    let summary = fs::read_to_string(Path::new(ROOT).join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let pages = pages();
    let names = pages.iter().filter_map(|(page, _)| page.strip_prefix("docs").ok()?.to_str());
    assert_eq!(listed, names.filter(|name| *name != "SUMMARY.md").collect());
}

#[test]
fn the_readme_is_short() {
    assert!(README.lines().count() <= 120, "what is longer belongs into docs/");
}

#[test]
fn the_readme_s_first_two_commands_are_the_demo_and_the_test_suite() {
    let block = README.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(block.lines().collect::<Vec<_>>(), ["cargo run -- lab demo configs/triangle.toml", "./test"]);
    assert!(Path::new(ROOT).join("test").exists() && Path::new(ROOT).join("configs/triangle.toml").exists());
}

/// Every `weft …` line of a shell block names a subcommand that exists, with options that it has.
#[test]
fn every_weft_command_of_every_page_is_understood() {
    let mut number = 0;
    for (page, text) in pages() {
        let blocks: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let lines = blocks.iter().flat_map(|block| block.lines()).map(str::trim);
        let inline = text.split('`').filter(|text| text.starts_with("weft ") && !text.contains(['\n', '|']));
        let commands = lines
            .chain(inline)
            .filter_map(|line| line.strip_prefix("weft ").or_else(|| line.strip_prefix("cargo run -- ")));
        for command in commands {
            understood(&page, command);
            number += 1;
        }
    }
    assert!(number > 60, "only {number} commands were found");
}

/// `command` is as it stands in `page`, without the program's name.
fn understood(page: &Path, command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_name = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    // `weft COMMAND --help` speaks of all of them.
    let Some(first) = words.first().filter(is_name) else { return };
    let has_more = ["lab", "show", "clear"].contains(first);
    let depth = if has_more && words.get(1).is_some_and(|word| is_name(&word)) { 2 } else { 1 };
    let help = Command::new(env!("CARGO_BIN_EXE_weft")).args(&words[..depth]).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&help.stdout);
    let page = page.display();
    assert!(help.status.success(), "{page}: `weft {command}`: {}", String::from_utf8_lossy(&help.stderr));
    let options = words.iter().take_while(|word| **word != "weft").filter(|word| word.starts_with("--"));
    for option in options.filter(|option| **option != "--") {
        assert!(text.contains(option), "{page}: `weft {command}`: its help knows no {option}");
    }
}

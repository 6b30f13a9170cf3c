//! The shape of the source: what imports what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The modules of a crate and what each of them names of it, by their paths such as `state::engine`. Tests are left out.
fn imports(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(source.join(&directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = directory.join(&name);
            if source.join(&path).is_dir() {
                if name != "tests" {
                    directories.push(path);
                }
            } else if let Some(module) =
                name.strip_suffix(".rs").filter(|module| !["lib", "main", "tests"].contains(module))
            {
                let folder = directory.to_str().unwrap().replace('/', "::");
                let module = match (folder.as_str(), module) {
                    (folder, "mod") => folder.to_owned(),
                    ("", module) => module.to_owned(),
                    (folder, module) => format!("{folder}::{module}"),
                };
                files.insert(module, fs::read_to_string(source.join(&path)).unwrap());
            }
        }
    }
    let named = |text: &str| -> BTreeSet<String> {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = lines.flat_map(|line| [line, "\n"]).collect();
        let paths = code.split("crate::").skip(1).map(|rest| {
            rest.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':')))
                .next()
                .unwrap_or_default()
        });
        let module = |path: &str| {
            let mut path = path.trim_end_matches(':');
            while !path.is_empty() && !files.contains_key(path) {
                path = path.rsplit_once("::").map_or("", |(before, _)| before);
            }
            path.to_owned()
        };
        paths.map(module).filter(|path| !path.is_empty()).collect()
    };
    files.iter().map(|(module, text)| (module.clone(), named(text))).collect()
}

/// What can be reached from a module by imports.
fn reach<'a>(from: &'a str, imports: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for named in imports.get(module).into_iter().flatten() {
            if named != module && found.insert(named.as_str()) {
                next.push(named);
            }
        }
    }
    found
}

#[test]
fn no_file_of_the_ospf_engine_imports_one_that_imports_it() {
    let imports = imports(&Path::new(ROOT).join("ospf/src"));
    assert!(imports.len() > 80, "only {} files were found", imports.len());
    for module in imports.keys() {
        // The calculation and the formats are chapters in parts: what is inside them is their own matter.
        if module.starts_with("route") || module.starts_with("wire") {
            continue;
        }
        assert!(!reach(module, &imports).contains(module.as_str()), "{module} is in a circle of imports");
    }
}

#[test]
fn the_state_of_the_ospf_engine_names_no_chapter() {
    let imports = imports(&Path::new(ROOT).join("ospf/src"));
    let chapters =
        ["interface", "exchange", "origination", "flooding", "calculation", "restart", "engine", "view", "check"];
    for (module, named) in &imports {
        if !["state", "machine", "route", "wire", "config"]
            .iter()
            .any(|folder| module.split("::").next() == Some(folder))
        {
            continue;
        }
        for path in named {
            let folder = path.split("::").next().unwrap_or_default();
            assert!(!chapters.contains(&folder), "{module} imports {path}");
        }
    }
}

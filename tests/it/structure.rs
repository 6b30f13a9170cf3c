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

/// The folders and files of `src`, lowest first: each imports only what stands in a line above its own.
const LAYERS: [&[&str]; 7] = [
    &["net", "input_file", "sys", "proc_stat", "process", "service", "starts", "trace"],
    &["keys", "log", "rib", "state_file"],
    &["mesh"],
    &["reconcile"],
    &["bfd", "control", "kernel", "routing", "tunnel"],
    &["daemon", "lab", "show"],
    &["cli"],
];

#[test]
fn no_folder_of_the_daemon_imports_upwards() {
    let imports = imports(&Path::new(ROOT).join("src"));
    let folder = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let layer = |folder: &str| {
        let found = LAYERS.iter().position(|layer| layer.contains(&folder));
        found.unwrap_or_else(|| panic!("src/{folder} has no place in LAYERS"))
    };
    for (module, named) in &imports {
        let own = folder(module);
        for path in named.iter().filter(|path| folder(path) != own) {
            assert!(layer(&folder(path)) < layer(&own), "src: {module} imports {path}, which is not below it");
        }
    }
    let present: BTreeSet<String> = imports.keys().map(|module| folder(module)).collect();
    let gone: Vec<&&str> = LAYERS.iter().copied().flatten().filter(|folder| !present.contains(**folder)).collect();
    assert!(gone.is_empty(), "{gone:?} are in LAYERS, and not in src");
}

#[test]
fn what_computes_does_no_io_and_takes_the_time_as_an_argument() {
    let words = [
        "std::fs",
        "std::process",
        "std::thread",
        "std::env",
        "std::os",
        "tokio",
        "netlink",
        "nix::",
        "libc::",
        "socket2",
        "File::",
        "TcpStream",
        "UdpSocket",
        "UnixStream",
        "Instant::now",
        "SystemTime::now",
        "stdout",
        "stderr",
        "println!",
    ];
    for folder in ["src/net", "src/rib", "src/reconcile", "bfd/src", "vxlan/src", "ospf/src"] {
        let mut directories = vec![Path::new(ROOT).join(folder)];
        let mut files = 0;
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() && name != "tests" {
                    directories.push(path);
                } else if name.ends_with(".rs") && name != "tests.rs" {
                    files += 1;
                    let text = fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                        let found = words.iter().find(|word| line.contains(**word));
                        assert!(found.is_none(), "{}: {line}", path.display());
                    }
                }
            }
        }
        assert!(files > 1, "{folder} has {files} files");
    }
}

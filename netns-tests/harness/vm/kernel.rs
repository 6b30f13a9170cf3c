//! A distribution's kernel for the virtual machine, and the modules that a test needs from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Where kernels are looked for: what `./test` unpacked, then what is installed.
const ROOTS: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/target/vm-kernel"), ""];

/// A kernel image and the modules that belong to it.
pub struct Kernel {
    /// The bzImage.
    pub image: PathBuf,
    modules: PathBuf,
    /// `modules.dep`: a module's path below `modules` and those it needs.
    depends: BTreeMap<String, Vec<String>>,
}

impl Kernel {
    /// The first kernel that has WireGuard as a module.
    pub fn find() -> Result<Self> {
        for root in ROOTS {
            for parent in [format!("{root}/lib/modules"), format!("{root}/usr/lib/modules")] {
                let Ok(versions) = fs::read_dir(&parent) else { continue };
                for version in versions {
                    let version = version?;
                    let image = PathBuf::from(format!("{root}/boot/vmlinuz-{}", version.file_name().to_string_lossy()));
                    let kernel = Self { image, depends: read_depends(&version.path())?, modules: version.path() };
                    if kernel.image.exists() && kernel.path_of("wireguard").is_some() {
                        return Ok(kernel);
                    }
                }
            }
        }
        bail!(
            "no kernel with WireGuard for the virtual machine in {ROOTS:?}: run ./test, or install linux-image-cloud-amd64"
        )
    }

    /// The named modules and all that they need, as (file name, content), in an order in which they can be loaded.
    /// A name without a module is taken for built in.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut order = Vec::new();
        for name in names {
            if let Some(path) = self.path_of(name) {
                self.visit(path, &mut order);
            }
        }
        order.into_iter().map(|path| read_module(&self.modules.join(path))).collect()
    }

    fn path_of(&self, name: &str) -> Option<&String> {
        self.depends.keys().find(|path| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file.split('.').next().is_some_and(|stem| stem.replace('-', "_") == name)
        })
    }

    fn visit<'a>(&'a self, path: &'a str, order: &mut Vec<&'a str>) {
        for needed in self.depends.get(path).into_iter().flatten() {
            self.visit(needed, order);
        }
        if !order.contains(&path) {
            order.push(path);
        }
    }
}

fn read_depends(modules: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let path = modules.join("modules.dep");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))?;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (path.to_owned(), words(needs)))
        .collect())
}

/// A module's content; newer distributions compress them.
fn read_module(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path.file_name().expect("a module is a file").to_string_lossy().into_owned();
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return Ok((name, fs::read(path).with_context(|| format!("reading {path:?}"))?)),
    };
    let output = Command::new(tool).arg("-dc").arg(path).output().with_context(|| format!("running {tool}"))?;
    ensure!(output.status.success(), "{tool} could not read {path:?}");
    Ok((name, output.stdout))
}

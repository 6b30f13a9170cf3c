//! A distribution's kernel for the virtual machine, and the modules that a test needs from it.
//!
//! Which one that is does not depend on what the machine has installed: it is the one that `./test` fetched, or the one that
//! [`KERNEL_VARIABLE`] names.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::modules::{Modules, Step};

/// The environment variable that names another kernel by its image, as `/boot/vmlinuz-6.1.0-56-cloud-amd64`; its modules are looked for
/// below `/lib/modules` of the same root directory.
pub const KERNEL_VARIABLE: &str = "WEFT_VM_KERNEL";

/// Where `./test` unpacks a kernel.
const FETCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/vm-kernel");

/// A kernel image and the modules that belong to it.
pub struct Kernel {
    /// The bzImage.
    pub image: PathBuf,
    /// What `uname -r` says under it.
    pub release: String,
    directory: PathBuf,
    modules: Modules,
}

/// A module and the content of its file.
pub struct Module {
    /// What the kernel is to do with it.
    pub step: Step,
    /// The ELF file, not compressed.
    pub content: Vec<u8>,
}

impl Kernel {
    /// The kernel that the tests use.
    pub fn find() -> Result<Self> {
        match env::var_os(KERNEL_VARIABLE).filter(|image| !image.is_empty()) {
            Some(image) => {
                Self::open(Path::new(&image)).with_context(|| format!("the kernel that {KERNEL_VARIABLE} names"))
            }
            None => Self::open(&fetched()?),
        }
    }

    /// The kernel with this image and its modules.
    pub fn open(image: &Path) -> Result<Self> {
        let file = image.file_name().and_then(|name| name.to_str());
        let release = file.and_then(|name| name.strip_prefix("vmlinuz-"));
        let release = release.with_context(|| format!("{image:?} is not called vmlinuz-RELEASE"))?.to_owned();
        ensure!(image.is_file(), "there is no file {image:?}");
        let root = image.parent().and_then(Path::parent).with_context(|| format!("{image:?} is in no directory"))?;
        let candidates = ["lib/modules", "usr/lib/modules"].map(|parent| root.join(parent).join(&release));
        let found = candidates.iter().find(|directory| directory.join("modules.dep").is_file());
        let directory = found.with_context(|| format!("there is no modules.dep in {candidates:?}"))?.clone();
        let modules = Modules::read(&directory)?;
        Ok(Self { image: image.to_owned(), release, directory, modules })
    }

    /// Where its modules are, and what depmod wrote beside them.
    pub fn modules_directory(&self) -> &Path {
        &self.directory
    }

    /// The named modules and all that they need, in an order in which they can be loaded. What is built in is left out.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        let steps = self.modules.order(names).with_context(|| format!("kernel {}", self.release))?;
        let read = |step: Step| Ok(Module { content: read_module(&self.directory.join(&step.path))?, step });
        steps.into_iter().map(read).collect()
    }
}

/// The image that `./test` fetched; of several the last by name.
fn fetched() -> Result<PathBuf> {
    let boot = Path::new(FETCHED).join("boot");
    let remedy = || {
        format!(
            "no kernel for the virtual machine in {boot:?}: run ./test, which fetches one, or name the image of an installed one in \
             {KERNEL_VARIABLE}"
        )
    };
    let mut images: Vec<PathBuf> =
        fs::read_dir(&boot).with_context(remedy)?.flatten().map(|entry| entry.path()).collect();
    images.retain(|image| image.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")));
    images.into_iter().max().with_context(remedy)
}

/// A module's content; newer distributions compress them.
fn read_module(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("reading {path:?}")),
    };
    let output = Command::new(tool).arg("-dc").arg(path).output();
    let output = output.with_context(|| format!("running {tool}, which reads {path:?}: is it installed?"))?;
    ensure!(output.status.success(), "{tool} could not read {path:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

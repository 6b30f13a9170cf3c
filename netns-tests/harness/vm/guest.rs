//! One boot of the virtual machine: a script goes in, its exit status and the console come out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::cpio::Archive;
use super::emulator::{Boot, QEMU, emulate};
use super::kernel::{Kernel, Module};
use crate::harness::process::{Background, output_of, run, tail};

/// The line on the console by which the guest reports its script's exit status.
const STATUS_LINE: &str = "guest-exit-status: ";

/// The line on the console by which the guest says which kernel it runs.
const RELEASE_LINE: &str = "guest-kernel: ";

/// The line on the console by which the guest names a module that it could not load. What the kernel said comes after it.
const MODULE_LINE: &str = "guest-module-not-loaded: ";

/// Memory of the guest. It holds the file system too.
const MEMORY: &str = "1536M";

/// Process 1 of the guest. `@MODULES@` is one line per module. The first that fails ends the machine: what follows would fail later, and
/// less plainly. Nothing is mounted over /tmp: the programs may be there.
const INIT: &str = "#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /dev/net /run/netns
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
echo \"@RELEASE@$(uname -r)\"
load() {
    said=$(insmod \"/modules/$1\" 2>&1) && return
    echo \"@MODULE@$1\"
    echo \"$said\"
    dmesg | tail -n 20
    poweroff -f
}
@MODULES@
ip link set lo up
/script </dev/null 2>&1
echo \"@STATUS@$?\"
poweroff -f
";

/// A virtual machine that has not been started.
pub struct Guest {
    kernel: Kernel,
    archive: Archive,
}

impl Guest {
    /// A machine with busybox and these kernel modules.
    pub fn new(modules: &[&str]) -> Result<Self> {
        let kernel = Kernel::find()?;
        let mut archive = Archive::default();
        for dir in ["/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/modules", "/etc"] {
            archive.dir(dir);
        }
        // As Debian has it: the loader and the libraries are named by either path.
        for dir in ["/bin", "/sbin", "/lib", "/lib64"] {
            archive.dir(&format!("/usr{dir}"));
            archive.symlink(dir, &format!("usr{dir}"));
        }
        archive.file("/etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
        archive.file("/etc/hosts", 0o644, b"127.0.0.1 localhost\n");
        archive.file("/etc/group", 0o644, b"root:x:0:\n");
        let mut loads = String::new();
        for Module { step, content } in kernel.modules(modules)? {
            let file = format!("{}.ko", step.name);
            archive.file(&format!("/modules/{file}"), 0o644, &content);
            loads += &match step.required {
                true => format!("load {file}\n"),
                false => format!("insmod /modules/{file} || echo {file} was not needed\n"),
            };
        }
        let words = [
            ("@MODULES@", loads.as_str()),
            ("@STATUS@", STATUS_LINE),
            ("@RELEASE@", RELEASE_LINE),
            ("@MODULE@", MODULE_LINE),
        ];
        let init = words.iter().fold(INIT.to_owned(), |init, (word, text)| init.replace(word, text));
        archive.file("/init", 0o755, init.as_bytes());
        let mut guest = Self { kernel, archive };
        // Not busybox's own shell: it prefers its applets to the programs in PATH.
        guest.program(Path::new("/bin/busybox"))?;
        guest.program(Path::new("/bin/bash"))?;
        Ok(guest)
    }

    /// Adds a program at the path it has here, without debug information, and the libraries it is linked with.
    pub fn program(&mut self, path: &Path) -> Result<()> {
        self.binary(path)?;
        // ldd fails for static programs.
        let Ok(libraries) = output_of(Command::new("ldd").arg(path)) else { return Ok(()) };
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            self.binary(Path::new(library))?;
        }
        Ok(())
    }

    /// Adds programs by their names, found in PATH.
    pub fn programs(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            let path = which(name)?;
            self.program(&path)?;
        }
        Ok(())
    }

    /// Boots, runs `script` (for bash) as root and returns the console. An error if a module does not load, if the script ends with
    /// another status than 0, or has not ended `within` the time given. It prints which kernel it boots.
    pub fn run(mut self, script: &str, within: Duration) -> Result<String> {
        self.archive.file("/script", 0o755, format!("#!/bin/bash\n{script}\n").as_bytes());
        let dir = tempfile::tempdir().context("making a directory for the virtual machine")?;
        let (initrd, console) = (dir.path().join("initrd"), dir.path().join("console"));
        fs::write(&initrd, self.archive.finish()).context("writing the guest's file system")?;
        println!("virtual machine: kernel {}, from {}", self.kernel.release, self.kernel.image.display());

        let mut qemu = Command::new(QEMU);
        let boot = Boot {
            kernel: &self.kernel,
            command_line: "quiet loglevel=4 panic=-1 rdinit=/init",
            initrd: &initrd,
            memory: MEMORY,
            console: &console,
        };
        emulate(&mut qemu, &boot).args(["-no-reboot", "-nic", "none"]);
        let ended = Background::start("qemu", qemu, dir.path())?.finish(within);
        let bytes = fs::read(&console).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).replace('\r', "");
        if let Err(error) = ended {
            return Err(error.context(format!("the virtual machine; its console ends:\n{}", tail(&console))));
        }
        verdict(&text, &self.kernel.release).map(|()| text)
    }

    /// Adds one ELF file, stripped of debug information: a test binary loses nine tenths of its size.
    fn binary(&mut self, path: &Path) -> Result<()> {
        let target = path.to_str().context("a program's path is text")?;
        // /lib is a link to /usr/lib in the guest.
        let target = match target.split('/').nth(1) {
            Some("bin" | "sbin" | "lib" | "lib64") => format!("/usr{target}"),
            _ => target.to_owned(),
        };
        if self.archive.contains(&target) {
            return Ok(());
        }
        let stripped = tempfile::NamedTempFile::new().context("making a file for a stripped program")?;
        output_of(Command::new("strip").arg("--strip-debug").arg("-o").arg(stripped.path()).arg(path))?;
        let content = fs::read(stripped.path()).with_context(|| format!("reading {path:?} stripped"))?;
        ensure!(!content.is_empty(), "{path:?} is empty");
        self.archive.file(&target, 0o755, &content);
        Ok(())
    }
}

/// What the console says of how it went: an error unless the kernel of this release ran the script to a good end.
fn verdict(console: &str, release: &str) -> Result<()> {
    let booted = console.lines().find_map(|line| line.strip_prefix(RELEASE_LINE));
    ensure!(booted == Some(release), "the virtual machine did not boot kernel {release}:\n{console}");
    if let Some((_, after)) = console.split_once(MODULE_LINE) {
        let (file, messages) = after.split_once('\n').unwrap_or((after, ""));
        bail!("kernel {release} does not load the module {file}: {messages}");
    }
    match console.lines().rev().find_map(|line| line.strip_prefix(STATUS_LINE)) {
        Some("0") => Ok(()),
        Some(status) => bail!("the script in the virtual machine ended with status {status}:\n{console}"),
        None => bail!("the virtual machine stopped before its script had ended:\n{console}"),
    }
}

/// Where the program of this name is.
pub(super) fn which(name: &str) -> Result<PathBuf> {
    let found = run(&format!("which {name}")).with_context(|| format!("looking for {name}: is it installed?"))?;
    Ok(fs::canonicalize(found.trim())?.parent().context("a program is in a directory")?.join(name))
}

// Nothing is imported: in the benchmarks, which use this file without a test harness, the tests are not there.
#[cfg(test)]
mod tests {
    #[test]
    fn a_module_that_does_not_load_is_named_with_the_symbol_that_it_lacks() {
        let console = "guest-kernel: 6.12.1\nguest-module-not-loaded: nf_nat.ko\n\
            insmod: can't insert '/modules/nf_nat.ko': unknown symbol in module, or unknown parameter\n\
            [    2.1] nf_nat: Unknown symbol nf_ct_helper_put (err -2)\n";
        let error = super::verdict(console, "6.12.1").unwrap_err().to_string();
        assert!(error.starts_with("kernel 6.12.1 does not load the module nf_nat.ko: insmod: can't insert"), "{error}");
        assert!(error.contains("Unknown symbol nf_ct_helper_put"), "{error}");
    }

    #[test]
    fn another_kernel_than_the_one_that_was_asked_for_is_an_error() {
        let error = super::verdict("guest-kernel: 6.1.0\nguest-exit-status: 0\n", "6.12.1").unwrap_err().to_string();
        assert!(error.starts_with("the virtual machine did not boot kernel 6.12.1"), "{error}");
        super::verdict("guest-kernel: 6.12.1\nguest-exit-status: 0\n", "6.12.1").unwrap();
    }
}

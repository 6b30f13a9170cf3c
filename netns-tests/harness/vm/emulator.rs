//! QEMU, as far as all virtual machines here have it in common.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::kernel::Kernel;

/// The emulator.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// What a machine boots.
pub(super) struct Boot<'a> {
    pub(super) kernel: &'a Kernel,
    /// Its command line; the serial console comes first.
    pub(super) command_line: &'a str,
    /// The first file system, a cpio archive.
    pub(super) initrd: &'a Path,
    /// Memory, as QEMU has it: `1024M`.
    pub(super) memory: &'a str,
    /// The file that the serial console is written to.
    pub(super) console: &'a Path,
}

/// Linux has every program at the same addresses each time it is started. Where QEMU emulates, it translates a program's code for the addresses
/// at which it finds it: at others, as they are by chance for each process, all of it would be translated again, which takes longer than to run it.
const SAME_ADDRESSES: &str = "norandmaps";

/// Gives QEMU the arguments of a machine with two processors, a serial console and no other device.
pub(super) fn emulate<'a>(qemu: &'a mut Command, boot: &Boot<'_>) -> &'a mut Command {
    let Boot { kernel, command_line, initrd, memory, console } = boot;
    qemu.args(["-machine", "q35", "-accel", accelerator(), "-cpu", "max", "-smp", "2", "-m", memory])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .arg("-append")
        .arg(format!("console=ttyS0 {SAME_ADDRESSES} {command_line}"))
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initrd)
        .stdin(Stdio::null())
}

/// KVM where it works. A machine that is itself virtual may have the device node without the processor's support: a guest
/// would hang there.
fn accelerator() -> &'static str {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let capable = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
    if capable && fs::File::options().read(true).write(true).open("/dev/kvm").is_ok() { "kvm" } else { "tcg" }
}

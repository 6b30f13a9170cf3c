//! A virtual machine with a disk, a Debian that systemd has booted, and Ethernets that end in a namespace of this machine. Commands go in
//! and their output comes out, one after the other, for as long as it runs.
//!
//! The disk is made once, by `netns-tests/debian-image`, and nobody writes to it: what a machine changes is gone with it.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tempfile::TempDir;

use super::cpio::Archive;
use super::emulator::{Boot, QEMU, emulate};
use super::guest::which;
use super::kernel::{Kernel, Module};
use crate::harness::netns::{inside, ip};
use crate::harness::process::{Background, success, tail};
use crate::harness::wait::eventually;

/// Makes the disk image.
const DEBIAN_IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/netns-tests/debian-image");

/// What the kernel needs for the disk; everything else it finds there itself.
const MODULES: [&str; 2] = ["virtio_pci", "virtio_blk"];

const MEMORY: &str = "1024M";

/// Process 1 until the disk is mounted. What is in `/files` is copied to it.
const INIT: &str = "#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in @MODULES@; do insmod /modules/$module.ko || echo \"the kernel does not load $module\"; done
mount -t ext4 /dev/vda /disk && cp -a /files/. /disk/ && exec switch_root /disk /sbin/init
echo 'the disk cannot be used'
poweroff -f
";

/// Where commands come from: a channel of virtio-serial, which udev names so.
const CHANNEL: &str = "/dev/virtio-ports/commands";

/// Carries out commands, a line of base64 each; answers with the exit status and, in base64, the output of both kinds.
const AGENT: &str = "#!/bin/bash
exec 3<>@CHANNEL@
echo ready >&3
while read -r line <&3; do
    bash -c \"$(base64 -d <<<\"$line\")\" >/run/agent-output 2>&1 </dev/null
    echo \"$? $(base64 -w 0 /run/agent-output)\" >&3
done
";

/// As qemu-guest-agent's own: from when udev has found the channel.
const AGENT_UNIT: &str = "[Unit]
Description=Commands from the tests
BindsTo=dev-virtio\\x2dports-commands.device
After=dev-virtio\\x2dports-commands.device multi-user.target

[Service]
ExecStart=/bin/bash /root/agent
Environment=HOME=/root
WorkingDirectory=/root
";

/// Starts the agent with the channel.
const AGENT_RULE: &str =
    "SUBSYSTEM==\"virtio-ports\", ATTR{name}==\"commands\", TAG+=\"systemd\", ENV{SYSTEMD_WANTS}=\"agent.service\"\n";

/// A machine that has not been started.
pub struct Setup {
    kernel: Kernel,
    /// The disk image.
    disk: String,
    archive: Archive,
    interfaces: Vec<Interface>,
}

/// An Ethernet of the machine.
struct Interface {
    /// Its name there.
    name: String,
    /// The TAP device at its other end.
    tap: String,
    mac: String,
}

/// A machine that runs, and is switched off when this is dropped.
pub struct Machine {
    qemu: Background,
    channel: BufReader<UnixStream>,
    console: PathBuf,
    _dir: TempDir,
}

/// What became of a command.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status.
    pub status: i32,
    /// What it wrote, errors too.
    pub output: String,
}

impl Setup {
    /// A machine with nothing but its disk, which is made if it is not there. An error if something is missing that the machine needs.
    pub fn new() -> Result<Self> {
        which(QEMU)?;
        let kernel = Kernel::find()?;
        let mut image = Command::new(DEBIAN_IMAGE);
        let made = image.arg(&kernel.release).arg(kernel.modules_directory()).output();
        let disk = success("netns-tests/debian-image", &made.context("running netns-tests/debian-image")?)?;
        let disk = disk.trim().to_owned();
        let mut archive = Archive::default();
        for dir in ["/proc", "/sys", "/dev", "/bin", "/disk", "/modules"] {
            archive.dir(dir);
        }
        let mut names = Vec::new();
        for Module { step, content } in kernel.modules(&MODULES)? {
            archive.file(&format!("/modules/{}.ko", step.name), 0o644, &content);
            names.push(step.name);
        }
        archive.file("/init", 0o755, INIT.replace("@MODULES@", &names.join(" ")).as_bytes());
        let busybox = fs::read("/bin/busybox").context("reading busybox: ./test installs it")?;
        archive.file("/bin/busybox", 0o755, &busybox);
        let mut setup = Self { kernel, disk, archive, interfaces: Vec::new() };
        setup.file("/root/agent", 0o755, AGENT.replace("@CHANNEL@", CHANNEL).as_bytes());
        setup.file("/etc/systemd/system/agent.service", 0o644, AGENT_UNIT.as_bytes());
        setup.file("/etc/udev/rules.d/90-agent.rules", 0o644, AGENT_RULE.as_bytes());
        Ok(setup)
    }

    /// Puts a file on its disk.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.archive.file(&format!("/files{path}"), permissions, content);
    }

    /// Gives it an Ethernet of this name, whose other end will be the TAP device `tap`.
    pub fn interface(&mut self, name: &str, tap: &str) {
        let mac = format!("02:00:00:00:ff:{:02x}", self.interfaces.len() + 1);
        let link = format!("[Match]\nMACAddress={mac}\n\n[Link]\nName={name}\n");
        self.file(&format!("/etc/systemd/network/10-{name}.link"), 0o644, link.as_bytes());
        self.interfaces.push(Interface { name: name.to_owned(), tap: tap.to_owned(), mac });
    }

    /// Boots it, and returns when it takes commands. Its TAP devices are made in the namespace `netns`.
    pub fn boot(self, netns: &str, within: Duration) -> Result<Machine> {
        let dir = tempfile::tempdir().context("making a directory for the virtual machine")?;
        let [initrd, console, socket] = ["initrd", "console", "commands"].map(|name| dir.path().join(name));
        fs::write(&initrd, self.archive.finish()).context("writing the first file system of the virtual machine")?;
        println!("virtual machine: kernel {}, disk {}", self.kernel.release, self.disk);

        let mut qemu = inside(netns, QEMU);
        let boot = Boot {
            kernel: &self.kernel,
            command_line: "loglevel=4 panic=-1 systemd.journald.forward_to_console=1",
            initrd: &initrd,
            memory: MEMORY,
            console: &console,
        };
        emulate(&mut qemu, &boot)
            .arg("-drive")
            .arg(format!("file={},format=raw,if=none,id=disk,snapshot=on", self.disk))
            .args(["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-serial-pci"])
            .args(["-device", "virtserialport,chardev=commands,name=commands"])
            .arg("-chardev")
            .arg(format!("socket,id=commands,path={},server=on,wait=off", socket.display()));
        for (number, Interface { tap, mac, .. }) in self.interfaces.iter().enumerate() {
            ip(netns, &format!("tuntap add {tap} mode tap"))?;
            ip(netns, &format!("link set {tap} up"))?;
            qemu.arg("-netdev").arg(format!("tap,id=net{number},ifname={tap},script=no,downscript=no"));
            qemu.arg("-device").arg(format!("virtio-net-pci,netdev=net{number},mac={mac}"));
        }
        let mut qemu = Background::start("qemu", qemu, dir.path())?;
        let channel = eventually("QEMU to listen", Duration::from_secs(10), || {
            qemu.alive()?;
            Ok(Some(UnixStream::connect(&socket)?))
        })?;
        let mut machine = Machine { qemu, channel: BufReader::new(channel), console, _dir: dir };
        machine.await_boot(within)?;
        Ok(machine)
    }
}

impl Machine {
    /// Waits until it takes commands, after its start or that of its system.
    pub fn await_boot(&mut self, within: Duration) -> Result<()> {
        // Before the system ended, the command that ended it may have been answered.
        while self.line(within).context("the virtual machine does not boot")? != "ready" {}
        Ok(())
    }

    /// Runs `script` (for bash) as root, which has to end well `within` the time given; what it wrote.
    pub fn run(&mut self, script: &str, within: Duration) -> Result<String> {
        let Answer { status, output } = self.attempt(script, within)?;
        ensure!(status == 0, "`{script}` in the virtual machine ended with status {status}:\n{output}");
        Ok(output)
    }

    /// Runs `script` (for bash) as root, to any end.
    pub fn attempt(&mut self, script: &str, within: Duration) -> Result<Answer> {
        self.send(script)?;
        let line = self.line(within).with_context(|| format!("`{script}` in the virtual machine"))?;
        let (status, output) = line.split_once(' ').with_context(|| format!("{line:?} is no answer to `{script}`"))?;
        let output = BASE64_STANDARD.decode(output).context("the output of a command is base64")?;
        let status = status.parse().with_context(|| format!("{status:?} is no exit status"))?;
        Ok(Answer { status, output: String::from_utf8_lossy(&output).into_owned() })
    }

    /// Begins `script`, and does not wait for its end: the machine's may come before.
    pub fn send(&mut self, script: &str) -> Result<()> {
        let line = format!("{}\n", BASE64_STANDARD.encode(script));
        self.channel.get_mut().write_all(line.as_bytes()).context("sending a command to the virtual machine")
    }

    /// Waits until it has switched itself off.
    pub fn await_off(&mut self, within: Duration) -> Result<()> {
        eventually("the virtual machine to be off", within, || Ok(self.qemu.alive().is_err().then_some(())))
    }

    /// How much the kernel, systemd and the journal have written to its console so far, octets.
    pub fn written(&self) -> Result<usize> {
        Ok(self.console_octets()?.len())
    }

    /// What they have written since that was so much.
    pub fn console_since(&self, written: usize) -> Result<String> {
        let octets = self.console_octets()?;
        Ok(String::from_utf8_lossy(octets.get(written..).unwrap_or_default()).replace('\r', ""))
    }

    fn console_octets(&self) -> Result<Vec<u8>> {
        fs::read(&self.console).with_context(|| format!("reading {:?}", self.console))
    }

    /// The next line of the channel.
    fn line(&mut self, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no answer within {within:?}; its console ends:\n{}", tail(&self.console));
            }
            self.channel.get_ref().set_read_timeout(Some(left))?;
            match self.channel.read_until(b'\n', &mut line) {
                Ok(0) => {
                    self.qemu.alive()?;
                    bail!("QEMU has closed the channel; the console ends:\n{}", tail(&self.console));
                }
                Ok(_) if line.ends_with(b"\n") => {
                    return Ok(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned());
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error).context("reading from the virtual machine"),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- console of the virtual machine:\n{}", tail(&self.console));
        }
    }
}

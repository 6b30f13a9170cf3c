//! A virtual machine with a distribution's kernel, for what the machine at hand has not: WireGuard in the kernel.
//!
//! [`kernel`] finds the kernel, [`modules`] the order in which its modules are loaded, [`cpio`] writes the file system that it
//! unpacks into memory, [`guest`] boots the two in QEMU. Nothing is shared with the host: files go in with the archive, output
//! comes out of the serial console. [`emulator`] is QEMU for both. [`machine`] boots the same kernel from a disk with a Debian on it, for what systemd does.

pub mod cpio;
mod emulator;
pub mod guest;
pub mod kernel;
pub mod machine;
pub mod modules;

//! The daemon's only unsafe code: descriptors for the runtime, addresses of packet sockets, process descriptors, and an allocator that
//! zeroes memory when it is freed. Also random octets.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use anyhow::Context as _;
use socket2::SockAddr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The largest block in bytes that is zeroed when it is freed. Keys are in small blocks: files, messages to and from a WireGuard device,
/// and the structures of libraries that read them. Large blocks are packets, databases and answers to `weft show`.
const LARGEST_ZEROED: usize = 64 << 10;

/// An allocator that zeroes memory when it is freed. Private keys pass through libraries, which free their copies without zeroing them:
/// with this, the only copies in memory are those in use.
struct ZeroedWhenFreed;

#[global_allocator]
static ALLOCATOR: ZeroedWhenFreed = ZeroedWhenFreed;

/// Makes the allocator return memory that a daemon which runs for months does not need any more. By default glibc gives each of the first
/// threads a heap of its own, and other threads cannot use what one thread has freed in its heap. Also, each time a block that was mapped
/// from the kernel is freed, glibc takes blocks of that size from the heap from then on, and keeps twice as much free memory at its end:
/// after one large answer the heap never shrinks again.
pub fn keep_heap_small() {
    /// Blocks of this size and larger are mapped from the kernel, and returned to it when they are freed.
    const OWN_MAPPING: libc::c_int = 256 << 10;
    /// The most free memory at the end of the heap.
    const FREE_AT_END: libc::c_int = 1 << 20;
    #[cfg(target_env = "gnu")]
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, OWN_MAPPING), (libc::M_TRIM_THRESHOLD, FREE_AT_END)]
    {
        // SAFETY: the call takes plain numbers, and may be made at any time.
        let is_set = unsafe { libc::mallopt(parameter, value) } == 1;
        debug_assert!(is_set, "glibc knows the parameter {parameter}");
    }
}

/// Returns free pages to the kernel, wherever in the heap they are. No thread can allocate meanwhile.
pub fn give_back_free_memory() {
    // SAFETY: the call takes a plain number, and may be made at any time.
    #[cfg(target_env = "gnu")]
    let _has_given_back = unsafe { libc::malloc_trim(0) };
}

// SAFETY: every block is from the system allocator, and is returned with the layout that it was requested with. Between its last use and
// that, a block is written to within its length only. A small block that grows is copied, so that no contents stay behind.
unsafe impl GlobalAlloc for ZeroedWhenFreed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract, which is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST_ZEROED {
            // SAFETY: the block is `layout.size()` bytes that nobody uses any more. The compiler may not leave this call out.
            unsafe { libc::explicit_bzero(block.cast(), layout.size()) };
        }
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > LARGEST_ZEROED {
            // SAFETY: as above.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller has checked that `size`, rounded up to the alignment, does not overflow.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both blocks have at least this length, and the new block overlaps no existing one.
            unsafe { std::ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
            // SAFETY: as above.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

/// Random octets from the operating system: a seed, a salt.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut octets = [0; N];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut octets));
    read.context("reading /dev/urandom")?;
    Ok(octets)
}

/// Gives the calling thread the lowest of the real-time priorities (SCHED_RR): it runs as soon as it can, before everything without one.
pub(crate) fn set_round_robin() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the structure is whole, and is only read; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Registers a descriptor with the runtime, which then reports when it can be read.
pub(crate) fn register_descriptor(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns its descriptor: it is open, always the same, and closed only with the `OwnedFd`, which the
    // `AsyncFd` owns from here on and gives out by shared reference only.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)
}

/// The address of packets of every protocol on one interface: a packet socket that is bound to it receives them all, and what is sent to it
/// leaves there, with the protocol that its Ethernet header names.
pub(crate) fn every_packet_of(index: u32) -> io::Result<SockAddr> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the storage has room for an address of any family, this one is written into it whole, and its length is given.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

/// Opens a descriptor of the process with this id. It refers to that process even if the id is reused later.
pub(crate) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Kills the process of a [`pidfd`] with SIGKILL; succeeds if it has ended already.
pub(crate) fn kill(process: BorrowedFd<'_>) -> io::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open while it is borrowed, and a null pointer stands for the usual information about a signal.
    let outcome = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), libc::SIGKILL, nothing, 0) };
    match io::Error::last_os_error() {
        _ if outcome == 0 => Ok(()),
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

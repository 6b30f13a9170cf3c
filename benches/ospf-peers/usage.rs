//! Reads from /proc the CPU time and the memory of the router's processes, and the routes in its namespace.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Returns the CPU time of all threads of these processes that still run.
pub fn cpu(pids: &[u32]) -> Result<Duration> {
    let mut nanoseconds = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            // The fields are the time on a CPU, the time spent waiting for one, and the number of timeslices.
            let on_cpu = text.split_whitespace().next().context("an empty schedstat")?;
            nanoseconds += on_cpu.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Memory of processes, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident set size (VmRSS).
    pub resident: u64,
    /// Proportional set size (Pss): a page shared with other processes counts in part.
    pub proportional: u64,
}

/// Returns the memory of all these processes together.
pub fn memory(pids: &[u32]) -> Result<Memory> {
    let mut memory = Memory::default();
    for pid in pids {
        memory.resident += field(&format!("/proc/{pid}/status"), "VmRSS:")?;
        memory.proportional += field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?;
    }
    Ok(memory)
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {path}"))?;
    Ok(line.split_whitespace().next().context("a number of KiB")?.parse()?)
}

/// Returns the number of routes with a gateway in the main routing table of the namespace of a process.
pub fn routes(pid: u32) -> Result<usize> {
    /// RTF_GATEWAY of <linux/route.h>.
    const GATEWAY: u32 = 2;
    let table = fs::read_to_string(format!("/proc/{pid}/net/route")).context("reading the routing table")?;
    // The fields are the interface, the destination, the gateway, the flags and others.
    let flags = table.lines().skip(1).filter_map(|line| u32::from_str_radix(line.split_whitespace().nth(3)?, 16).ok());
    Ok(flags.filter(|flags| flags & GATEWAY != 0).count())
}

//! Settings of this process in the kernel: it holds keys and serves many tunnels.

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// If fewer open files than this are left, `weft status` reports it.
const SPARE_FILES: u64 = 32;

/// Protects the memory of this process, which holds private keys: it is not dumped to a core file, and no process without CAP_SYS_PTRACE
/// can read it. Also raises the limit of open files to the hard limit. Must be called before there is any key.
pub fn prepare() {
    // Errors do not stop the program: forwarding the packets of the mesh is more important.
    if let Err(error) = set_dumpable(false) {
        warn!(%error, "the memory of this process can be read by others of its user");
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        warn!(%error, "a crash may leave a core file, which has keys in it");
    }
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
        true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
        false => Ok(()),
    });
    if let Err(error) = raised {
        warn!(%error, "the limit of open files was not raised");
    }
}

/// A message for `weft status` that few open files are left; `None` if there are enough.
pub fn few_files_left() -> Option<String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let open = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.count() as u64,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => limit,
        Err(_) => return None,
    };
    (open.saturating_add(SPARE_FILES) > limit).then(|| {
        format!(
            "{open} of {limit} open files are in use: raise LimitNOFILE in the unit, or `ulimit -Hn`, and restart weft"
        )
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::prctl::get_dumpable;

    use super::*;

    /// In a process of its own, as each test is.
    #[test]
    fn a_process_that_holds_keys_is_not_dumped_and_has_the_files_that_it_may_have() {
        assert!(get_dumpable().unwrap(), "as every process begins");
        prepare();
        assert!(!get_dumpable().unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}

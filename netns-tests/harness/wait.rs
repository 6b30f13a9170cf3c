//! Waiting for a real kernel: look again until it is so or the time is up.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::mesh::BACKEND_VARIABLE;

/// Between two looks.
pub const POLL: Duration = Duration::from_millis(50);

/// In the virtual machine, which may be emulated beside other work, everything may take longer by this factor.
const VIRTUAL_MACHINE: u32 = 4;

/// What may take `limit` on the machine itself may take this long where the test runs. RouterDeadInterval may pass meanwhile, more than once.
pub fn allowed(limit: Duration) -> Duration {
    if std::env::var_os(BACKEND_VARIABLE).is_some() { limit * VIRTUAL_MACHINE } else { limit }
}

/// Calls `probe` until it gives a value. `Ok(None)` and errors mean "not yet"; when `within` has passed, the error says
/// what was awaited and, if the last look failed, how.
pub fn eventually<T>(what: &str, within: Duration, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    eventually_every(POLL, what, within, probe)
}

/// [`eventually`], with this time between two looks: for many networks at once, each look at which starts programs.
pub fn eventually_every<T>(
    poll: Duration,
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        let last = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let waited = format!("waited {within:?} for {what}");
            return Err(match last {
                Some(error) => error.context(waited),
                None => anyhow!(waited),
            });
        }
        thread::sleep(poll);
    }
}

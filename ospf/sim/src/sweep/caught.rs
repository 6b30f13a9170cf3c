//! Returns panics of a run as values, with their location, and without output on stderr.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// The message of a panic while this thread catches panics; `None` while it does not.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread. If it panics, returns the message and the location.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install();
    CAUGHT.set(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let message = CAUGHT.take();
    result.map_err(|_| message.unwrap_or_default())
}

/// Installs the panic hook. Panics of other threads go to the previous hook.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !note(info) {
                before(info);
            }
        }));
    });
}

/// Records the message of a panic, if this thread catches panics.
fn note(info: &PanicHookInfo<'_>) -> bool {
    CAUGHT.with_borrow_mut(|caught| {
        let Some(message) = caught else { return false };
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *message = format!("panic at {place}: {}", info.payload_as_str().unwrap_or_default());
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_message_with_its_place() {
        let message = catch(|| assert_eq!(1, 2, "numbers")).unwrap_err();
        assert!(message.contains("caught.rs:") && message.contains("numbers"), "{message}");
        assert_eq!(catch(|| 3), Ok(3));
    }
}

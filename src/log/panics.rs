//! Panics in the log: what, where, in which thread, and the way there. In one piece, before anything is unwound.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};

use super::Log;

/// Has `log` receive the panics of all threads from now on.
pub(super) fn log_to(log: Log) {
    panic::set_hook(Box::new(move |info| {
        let text = log.line("ERROR", &description(info));
        log.sink.write_in_panic(text.as_bytes(), |lost| log.line("WARN", &format!("{}: {}", lost.count(), lost.cause)));
    }));
}

fn description(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = info.location().map_or_else(String::new, |location| format!(" at {location}"));
    let message = info.payload_as_str().unwrap_or("a value that is not text");
    format!("thread {name} panicked{place}: {message}\n{}", Backtrace::force_capture())
}

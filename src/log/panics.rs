//! Logs panics: message, place, thread and backtrace, in one piece and before the stack is unwound.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};

use super::Log;

/// Logs the panics of all threads to `log` from now on.
pub(super) fn log_to(log: Log) {
    panic::set_hook(Box::new(move |info| {
        let text = log.line("ERROR", &description(info));
        log.sink.write_in_panic(text.as_bytes(), |lost| log.notice(lost));
    }));
}

fn description(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = info.location().map_or_else(String::new, |location| format!(" at {location}"));
    let message = info.payload_as_str().unwrap_or("a value that is not text");
    format!("thread {name} panicked{place}: {message}\n{}", Backtrace::force_capture())
}

#[cfg(test)]
mod tests {
    use super::super::{Destination, start};

    /// In a process of its own, as each test is: its log and its hook are the process's.
    #[test]
    fn a_panic_is_in_the_log_with_its_message_and_the_way_there_before_its_thread_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        start(tracing_subscriber::EnvFilter::new("info"), Destination::File(path.clone()));
        let ended =
            std::thread::Builder::new().name("worker".into()).spawn(|| panic!("nothing left to encrypt")).unwrap();
        assert!(ended.join().is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.contains("nothing left to encrypt")).unwrap();
        assert!(line.contains(" ERROR ") && line.contains("thread worker panicked at src/log/panics.rs:"), "{line}");
        assert!(text.contains("a_panic_is_in_the_log"), "no backtrace: {text}");
    }
}

//! What a service manager sees of the daemon (sd_notify(3)): when it is ready, that it lives, and how it has ended. Needs root.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::router::{Router, alone};

/// What the daemon says to the socket, read at once as systemd reads it.
fn messages(socket: &Path) -> Receiver<String> {
    let manager = UnixDatagram::bind(socket).unwrap();
    let (said, messages) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = [0; 256];
        while let Ok(length) = manager.recv(&mut octets) {
            if said.send(String::from_utf8_lossy(&octets[..length]).trim().to_owned()).is_err() {
                break;
            }
        }
    });
    messages
}

#[test]
fn a_daemon_gives_signs_of_life_and_its_exit_code_says_whether_another_may_follow() {
    alone(|| {
        let mut router = Router::new(1);
        let socket = Path::new("/run/notify");
        let messages = messages(socket);
        let next =
            || messages.recv_timeout(Duration::from_secs(20)).expect("the daemon says something within the time");
        for (leaves, expected) in [(false, 0), (true, 3)] {
            // Nothing else makes the loop turn so often.
            router.start_watched(socket, Duration::from_millis(150));
            assert_eq!(next(), "READY=1");
            for _ in 0..20 {
                assert_eq!(next(), "WATCHDOG=1");
            }
            let code = if leaves {
                assert_eq!(router.down(&[]).0, Some(0));
                router.stopped()
            } else {
                router.stop()
            };
            assert_eq!(code, Some(expected));
            while next() != "STOPPING=1" {}
            // Whatever it has said while it ended.
            while messages.recv_timeout(Duration::from_millis(100)).is_ok() {}
        }
    });
}

//! What a service manager sees of the daemon (sd_notify(3)): when it is ready, that it lives, and how it has ended. Needs root.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::router::{Router, alone};

/// What the daemon says next.
fn next(manager: &UnixDatagram) -> String {
    let mut octets = [0; 256];
    let length = manager.recv(&mut octets).expect("the daemon says something within the time");
    String::from_utf8_lossy(&octets[..length]).trim().to_owned()
}

#[test]
fn a_daemon_gives_signs_of_life_and_its_exit_code_says_whether_another_may_follow() {
    alone(|| {
        let mut router = Router::new(1);
        let socket = Path::new("/run/notify");
        let manager = UnixDatagram::bind(socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for (leaves, expected) in [(false, Some(0)), (true, Some(3))] {
            // Nothing else makes the loop turn so often.
            router.start_watched(socket, Duration::from_millis(150));
            assert_eq!(next(&manager), "READY=1");
            for _ in 0..20 {
                assert_eq!(next(&manager), "WATCHDOG=1");
            }
            let code = match leaves {
                false => router.stop(),
                true => {
                    assert_eq!(router.down(&[]).0, Some(0));
                    router.stopped()
                }
            };
            assert_eq!(code, expected);
            while next(&manager) != "STOPPING=1" {}
            manager.set_nonblocking(true).unwrap();
            while manager.recv(&mut [0; 256]).is_ok() {}
            manager.set_nonblocking(false).unwrap();
        }
    });
}

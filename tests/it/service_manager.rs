//! What a service manager sees of the daemon (sd_notify(3)): when it is ready, and that it lives. Needs root.

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
fn a_daemon_gives_signs_of_life_to_a_service_manager_that_waits_for_them() {
    alone(|| {
        let mut router = Router::new(1);
        let socket = Path::new("/run/notify");
        let manager = UnixDatagram::bind(socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Nothing else makes the loop turn so often.
        router.start_watched(socket, Duration::from_millis(150));
        assert_eq!(next(&manager), "READY=1");
        for _ in 0..20 {
            assert_eq!(next(&manager), "WATCHDOG=1");
        }
        assert_eq!(router.stop(), Some(0));
        while next(&manager) != "STOPPING=1" {}
    });
}

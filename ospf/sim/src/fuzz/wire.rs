//! Fuzzes two or three engines with a wire that disturbs their packets. The octets determine which packets are delivered, lost, duplicated
//! or held back, which timer fires, and which router restarts. After that there are no more disturbances, and the network must recover.

use std::time::Duration;

use super::input::Choices;
use crate::model::{Beginning, Bounds, HostileRun, Medium};

/// The most steps of an input; the rest is ignored.
const MAX_STEPS: usize = 400;

/// Runs the octets as steps.
pub fn wire(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut run = HostileRun::new(bounds(&mut choices));
    for _ in 0..MAX_STEPS {
        let Some(choice) = choices.next() else { break };
        run.step(choice);
    }
    run.recover();
}

/// Reads the properties of the network, one octet each.
fn bounds(choices: &mut Choices<'_>) -> Bounds {
    let kind = choices.octet();
    let (routers, medium) = match kind % 8 {
        0..4 => (2, Medium::PointToPoint),
        4 => (2, Medium::Broadcast),
        5 => (3, Medium::PointToPoint),
        6 => (3, Medium::Chain),
        _ => (3, Medium::Broadcast),
    };
    let externals = choices.octet() % 4;
    let defaults = Bounds::default();
    Bounds {
        routers,
        medium,
        // A Database Description has room for one LSA header, for three, or for all.
        mtu: [80, 120, 1420, 1420][usize::from(kind >> 3) % 4],
        externals,
        beginning: if kind < 192 { Beginning::Started } else { Beginning::Converged },
        start_offset: Duration::from_millis(10 * u64::from(choices.octet())),
        under_way: 16,
        latency: Duration::from_millis(200),
        // Copies that arrive later than MinLSInterval would bring back LSAs that were flushed meanwhile.
        lifetime: Duration::from_secs(1),
        // A packet that was sent often without an answer is retransmitted only after up to eight times RxmtInterval (RFC 4222 §2).
        recovery: defaults.timers.dead + 8 * 2 * defaults.timers.retransmit,
        ..defaults
    }
}

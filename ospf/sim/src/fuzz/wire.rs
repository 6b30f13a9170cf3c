//! Two or three engines joined by a hostile wire: bytes choose what is delivered, lost, duplicated, held back, which timer fires, and who
//! restarts. Then nothing goes wrong any more, and the network must recover.

use std::time::Duration;

use super::input::Choices;
use crate::model::{Beginning, Bounds, HostileRun, Medium};

/// Steps of an input that are read, the rest is left.
const MAX_STEPS: usize = 400;

/// Reads the bytes as steps.
pub fn wire(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut run = HostileRun::new(bounds(&mut choices));
    for _ in 0..MAX_STEPS {
        let Some(choice) = choices.next() else { break };
        run.step(choice);
    }
    run.recover();
}

/// What network it is: one octet each.
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
        // Room for one LSA header in a Database Description, for three, or for all.
        mtu: [80, 120, 1420, 1420][usize::from(kind >> 3) % 4],
        externals,
        beginning: if kind < 192 { Beginning::Started } else { Beginning::Converged },
        start_offset: Duration::from_millis(10 * u64::from(choices.octet())),
        under_way: 16,
        latency: Duration::from_millis(200),
        // Copies that come later than MinLSInterval would bring LSAs back that were withdrawn meanwhile.
        lifetime: Duration::from_secs(1),
        // What was sent often without an answer is sent again after up to eight times RxmtInterval only (RFC 4222 §2).
        recovery: defaults.timers.dead + 8 * 2 * defaults.timers.retransmit,
        ..defaults
    }
}

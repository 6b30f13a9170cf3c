//! The worst single input of an engine: `cargo bench -p ospf --bench worst [CASE]`.
//!
//! Each case is something that happens to a network with 100,000 externals, or with 1,000 routers of 8 links each. A row says how long the
//! longest input took that any engine was given meanwhile, in time of the processor, and how long all inputs together of the engine that
//! had the most to do: what one input would have taken that does everything at once. No input may take longer than 50 ms.

mod cases;
mod net;

use std::process::ExitCode;
use std::time::Duration;

use net::Meter;

/// The most that an input may take.
const MOST: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    // `cargo bench` adds an option of its own.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!(
        "{:<70} {:>7} {:>11} {:>7} {:<9} {:>11}",
        "what happens", "inputs", "worst input", "units", "it is a", "all at once"
    );
    let mut worst = Duration::ZERO;
    for (name, case) in cases::CASES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        for (what, Meter { inputs, total, worst: row, units, input }) in case() {
            println!(
                "{:<70} {inputs:>7} {:>8.1} ms {units:>7} {input:<9} {:>8.0} ms",
                format!("{name}: {what}"),
                millis(row),
                millis(total)
            );
            worst = worst.max(row);
        }
    }
    println!("worst of all: {:.1} ms, at most {} ms", millis(worst), MOST.as_millis());
    if worst > MOST { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

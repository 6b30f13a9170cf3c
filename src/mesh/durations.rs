//! Reads durations of the mesh file: a whole number and a unit. Timers of protocols are in whole seconds; timers that concern only this
//! router may be finer.

use std::time::Duration;

use super::diagnostic::{Diagnostic, quoted};
use super::reader::{At, Entry, Report};

/// The longest duration of any setting, in seconds: HelloInterval (RFC 2328 §A.3.2) and WireGuard's keepalive have 16 bits.
const MAX_SECONDS: u64 = 65535;

/// Units and their lengths.
const UNITS: [(&str, Duration); 4] = [
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
];

#[derive(Debug, PartialEq, Eq)]
enum Fault<'t> {
    NoUnit,
    UnknownUnit(&'t str),
    NoNumber,
    TooLong,
}

/// Reads a duration of 1 to 65535 whole seconds. `if_zero` is the help message for a duration of zero.
pub(super) fn seconds(entry: &Entry<'_>, if_zero: &str, report: &mut Report) -> Option<At<Duration>> {
    let time = duration(entry, report)?;
    let key = entry.key;
    let error = |title: String, label: &str| Diagnostic::error(time.span, title, label);
    let fault = match time.value {
        Duration::ZERO => error(format!("`{key}` is zero"), "has to be longer than zero").help(if_zero),
        value if value.subsec_nanos() != 0 => {
            let up = value.as_secs() + 1;
            error(format!("`{key}` is not a whole number of seconds"), "counts in whole seconds")
                .help(format!("write `{key} = \"{up}s\"`"))
        }
        _ => return Some(time),
    };
    report.push(fault);
    None
}

/// Reads a duration of at most 65535 seconds with a resolution of milliseconds; it may be zero.
pub(super) fn duration(entry: &Entry<'_>, report: &mut Report) -> Option<At<Duration>> {
    let key = entry.key;
    if entry.value.is_integer() || entry.value.is_float() {
        let help = format!("write the unit, as in `{key} = \"10s\"`");
        report.push(entry.wrong_type("a duration", "").help(help));
        return None;
    }
    let text = entry.string(&format!("{key} = \"10s\""), report)?;
    let error = |title: String, label: &str| Diagnostic::error(text.span, title, label);
    let too_long = || error(format!("`{key}` is too long"), "too long").help(format!("use at most \"{MAX_SECONDS}s\""));
    let fault = match parse(text.value) {
        Ok(time) if time > Duration::from_secs(MAX_SECONDS) => too_long(),
        Ok(time) => return Some(At { value: time, span: text.span }),
        Err(Fault::TooLong) => too_long(),
        Err(Fault::NoUnit) => error(format!("`{key}` has no unit"), "seconds? minutes?")
            .help(format!("write the unit, as in `{key} = \"{}s\"`", text.value)),
        Err(Fault::UnknownUnit(unit)) => {
            error(format!("`{key}` has the unknown unit {}", quoted(unit)), "not a duration")
                .help("the units are `ms`, `s`, `m` and `h`")
        }
        Err(Fault::NoNumber) => error(format!("{} is not a duration", quoted(text.value)), "not a duration")
            .help(format!("write a whole number and a unit, as in `{key} = \"10s\"`")),
    };
    report.push(fault);
    None
}

fn parse(text: &str) -> Result<Duration, Fault<'_>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let length = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
    match (number, unit, length) {
        ("", _, _) => Err(Fault::NoNumber),
        (_, "", _) => Err(Fault::NoUnit),
        (_, unit, None) => Err(Fault::UnknownUnit(unit)),
        (number, _, Some(length)) => {
            number.parse::<u32>().ok().and_then(|n| length.checked_mul(n)).ok_or(Fault::TooLong)
        }
    }
}

/// Formats a duration as it is written in the file.
pub(super) fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(parse("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse("1"), Err(Fault::NoUnit));
        assert_eq!(parse("s"), Err(Fault::NoNumber));
        assert_eq!(parse(""), Err(Fault::NoNumber));
        assert_eq!(parse("-1s"), Err(Fault::NoNumber));
        assert_eq!(parse("1 s"), Err(Fault::UnknownUnit(" s")));
        assert_eq!(parse("1.5s"), Err(Fault::UnknownUnit(".5s")));
        assert_eq!(parse("99999999999999999999h"), Err(Fault::TooLong));
    }
}

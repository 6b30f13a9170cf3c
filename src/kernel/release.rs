//! Functions that depend on the version of the running kernel.

use std::fmt;

/// The first version in which rules in `postrouting` can match the incoming interface of a packet. In earlier versions such rules match
/// nothing.
const CHECKS_WHERE_PACKETS_ENTER: Release = Release { major: 5, minor: 7 };

/// The version of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release {
    major: u32,
    minor: u32,
}

impl Release {
    /// Parses the output of `uname -r`, such as `5.4.0-150-generic` or `6.12-rc3`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Returns why this kernel does not check the source of packets that enter the mesh, although the ruleset requires it; `None` if it does.
pub fn unchecked_sources() -> Option<String> {
    let name = nix::sys::utsname::uname().ok()?;
    unchecked_by(name.release().to_str()?)
}

fn unchecked_by(release: &str) -> Option<String> {
    // A version that cannot be parsed is taken as recent.
    let release = Release::parse(release).filter(|release| *release < CHECKS_WHERE_PACKETS_ENTER)?;
    Some(format!(
        "Linux {release} does not check the sources of packets that enter the mesh here: it takes Linux {CHECKS_WHERE_PACKETS_ENTER} or \
         later; `source_check = \"off\"` does without the check"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_5_7_are_named_and_others_are_not() {
        for old in ["5.4.0-150-generic", "4.19.0", "5.6.19", "3.10.0-1160.el7.x86_64"] {
            let warning = unchecked_by(old).expect(old);
            let version: Vec<&str> = old.split('.').take(2).collect();
            assert!(warning.starts_with(&format!("Linux {} does not", version.join("."))), "{warning}");
        }
        for new in ["5.7.0", "5.10.0-32-amd64", "6.1.0", "6.12-rc3", "10.0.1", "unknown", ""] {
            assert_eq!(unchecked_by(new), None, "{new}");
        }
    }
}

//! Checks names in the mesh file, and derives the interface names from them, on which scripts depend.

use super::diagnostic::{Diagnostic, quoted};
use super::reader::{At, Report};
use crate::net::IfName;

/// The longest name of a mesh, site, segment or host, in bytes: names of files and namespaces consist of up to three, and stay well below
/// the 255 bytes of a file name.
const MAX_NAME: usize = 63;

/// Length of the suffix of a name that was cut: `~` and five base-32 digits.
const CUT_SUFFIX: usize = 6;

/// The name of the tunnel interface to the site `name`: `wg-NAME`. If that is longer than the kernel's 15 bytes, it is the beginning of
/// that, and a suffix that depends on the whole name only.
///
/// `name` must be a checked site name (ASCII letters, digits, `-`, `_`, `.`).
pub fn tunnel_interface(name: &str) -> IfName {
    interface("wg", name)
}

/// The name of the VXLAN device of the segment `name`: `vx-NAME`, cut like the names of tunnels.
pub fn overlay_interface(name: &str) -> IfName {
    interface("vx", name)
}

/// The default name of the bridge of the segment `name`: `br-NAME`, cut like the names of tunnels.
pub(super) fn bridge_interface(name: &str) -> IfName {
    interface("br", name)
}

fn interface(kind: &str, name: &str) -> IfName {
    let whole = format!("{kind}-{name}");
    let text = if whole.len() <= IfName::MAX_LEN {
        whole
    } else {
        let keep: String = whole.chars().take(IfName::MAX_LEN - CUT_SUFFIX).collect();
        format!("{keep}~{}", digest(name))
    };
    IfName::new(&text).expect("a checked name after two letters and a dash, cut to 15 bytes, is an interface name")
}

/// Five base-32 digits of FNV-1a over the name, which are the same in all versions and on all machines.
fn digest(name: &str) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (0..CUT_SUFFIX - 1).map(|i| DIGITS[(hash >> (5 * i) & 31) as usize] as char).collect()
}

/// Checks the name of a mesh, site, segment or host, which becomes part of file, namespace and interface names: ASCII letters, digits,
/// `.`, `_` and `-`, beginning with a letter or digit.
pub(super) fn check_name<'a>(name: At<&'a str>, report: &mut Report) -> Option<At<&'a str>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fault = match name.value.as_bytes() {
        [] => "is empty",
        bytes if bytes.len() > MAX_NAME => "is longer than 63 bytes",
        bytes if !bytes.iter().copied().all(allowed) => "has a character that names cannot have",
        [first, ..] if !first.is_ascii_alphanumeric() => "does not begin with a letter or digit",
        _ => return Some(name),
    };
    let title = format!("the name {} {fault}", quoted(name.value));
    report.push(
        Diagnostic::error(name.span, title, "becomes part of file, namespace and interface names")
            .help("use 1 to 63 letters, digits, `.`, `_` and `-`, the first a letter or digit"),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_is_kept_whole_and_a_longer_one_is_cut_the_same_way_everywhere() {
        assert_eq!(tunnel_interface("twelve-bytes").as_str(), "wg-twelve-bytes");
        assert_eq!(tunnel_interface("thirteen-byte").as_str().len(), IfName::MAX_LEN);
        assert_eq!(tunnel_interface("thirteen-byte"), tunnel_interface("thirteen-byte"));
        assert_ne!(tunnel_interface("frankfurt-datacentre-1"), tunnel_interface("frankfurt-datacentre-2"));
    }
}

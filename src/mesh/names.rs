//! Names of things that scripts depend on, derived from names in the mesh file.

use super::model::IfName;

/// Length of the suffix of a name that had to be cut: `~` and five base-32 digits.
const CUT_SUFFIX: usize = 6;

/// The tunnel interface to the site `name`: `wg-NAME`, and where that is longer than the kernel's 15 bytes,
/// the beginning of it and a suffix that depends on the whole name only.
///
/// `name` is a checked site name (ASCII letters, digits, `-`, `_`, `.`).
pub fn tunnel_interface(name: &str) -> IfName {
    let whole = format!("wg-{name}");
    let text = if whole.len() <= IfName::MAX_LEN {
        whole
    } else {
        let keep: String = whole.chars().take(IfName::MAX_LEN - CUT_SUFFIX).collect();
        format!("{keep}~{}", digest(name))
    };
    IfName::new(&text).expect("a checked site name after `wg-`, cut to 15 bytes, is an interface name")
}

/// Five base-32 digits of FNV-1a over the name: stable across versions and machines.
fn digest(name: &str) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (0..CUT_SUFFIX - 1).map(|i| DIGITS[(hash >> (5 * i) & 31) as usize] as char).collect()
}

//! The name of a kernel interface.

use std::fmt;

use arrayvec::ArrayString;

/// A kernel interface name: 1 to 15 bytes, no `/`, `:`, `%` or white space, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(ArrayString<15>);

impl IfName {
    /// The longest name that the kernel accepts, in bytes (IFNAMSIZ without the NUL).
    pub const MAX_LEN: usize = 15;

    /// Returns the name; `None` if the kernel would refuse it, or would take it for a pattern (`%d`). Byte 0xa0 is white space to the kernel.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&name.len());
        let refused = |b: u8| matches!(b, b'/' | b':' | b'%' | 0xa0) || b.is_ascii_whitespace() || b.is_ascii_control();
        let clean = !name.bytes().any(refused);
        let name = ArrayString::from(name).ok()?;
        (fits && clean && &name != "." && &name != "..").then_some(Self(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

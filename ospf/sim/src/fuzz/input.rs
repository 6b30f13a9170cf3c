//! Octets as a source of choices, which ends with them.

/// The rest of an input.
#[derive(Debug)]
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the next octet, if there is one.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Returns the next octet, or zero.
    pub(super) fn octet(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// Returns the next two octets.
    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// Returns the next four octets.
    pub(super) fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// Returns a number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        debug_assert!(bound > 0);
        usize::from(self.word()) % bound
    }

    /// Returns up to this many octets unchanged.
    pub(super) fn octets(&mut self, at_most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(at_most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns all remaining octets.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

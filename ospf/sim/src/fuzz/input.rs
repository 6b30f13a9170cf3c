//! Bytes as a source of choices. It ends when the bytes do.

/// What is left of an input.
#[derive(Debug)]
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next octet, while there is one.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next octet, or zero.
    pub(super) fn octet(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// The next two octets.
    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// The next four octets.
    pub(super) fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        debug_assert!(bound > 0);
        usize::from(self.word()) % bound
    }

    /// Up to so many octets as they stand.
    pub(super) fn octets(&mut self, at_most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(at_most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

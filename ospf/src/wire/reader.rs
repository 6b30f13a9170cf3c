//! A cursor over received bytes: every read is bounded by what is there, every error names its octet.

use std::net::Ipv4Addr;

use super::error::{Malformation, WireError};

/// Reads big-endian fields one after the other.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Octet number of the first of `rest`, in the packet or LSA that errors refer to.
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, the first of which is octet number `offset`.
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    /// Octet number of what is read next.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Octets not yet read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error `what` at the present octet.
    pub(super) fn error(&self, what: Malformation) -> WireError {
        // Packets and LSAs have 16-bit lengths, so only a caller's larger buffer could saturate this.
        WireError { what, offset: u16::try_from(self.offset).unwrap_or(u16::MAX) }
    }

    /// The next `len` octets.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.error(Malformation::Truncated))?;
        self.rest = rest;
        self.offset += len;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error(Malformation::Truncated))?;
        self.rest = rest;
        self.offset += N;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn address(&mut self) -> Result<Ipv4Addr, WireError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// Reads elements until the bytes end. `len` is an element's least length, so that room is made for no more than can be there.
    pub(super) fn until_end<T>(
        &mut self,
        len: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        debug_assert!(len > 0);
        let mut elements = Vec::with_capacity(self.remaining() / len);
        while !self.is_empty() {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}

//! A cursor over received octets: no read goes beyond the end, and every error contains the offset of the octet.

use std::net::Ipv4Addr;

use super::error::{Malformation, WireError};

/// Reads big-endian fields one after the other.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Offset of the first octet of `rest` in the packet or LSA, for errors.
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, whose first octet has this offset.
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    /// Offset of the next octet.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Number of octets not yet read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error `what` at the present offset.
    pub(super) fn error(&self, what: Malformation) -> WireError {
        // Packets and LSAs have 16-bit lengths, so this saturates only for a larger buffer of a caller.
        WireError { what, offset: u16::try_from(self.offset).unwrap_or(u16::MAX) }
    }

    /// Reads the next `len` octets.
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

    /// Reads elements until the end. `len` is the minimum length of an element, so that no more memory is allocated than can be used.
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

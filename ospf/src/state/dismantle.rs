//! Freeing what is large piece by piece.

/// Something that is freed piece by piece.
pub(crate) trait Dismantle {
    /// Frees a few of its parts; `false` if nothing is left.
    fn dismantle(&mut self) -> bool;
}

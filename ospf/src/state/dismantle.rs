//! Freeing large structures in small steps.

/// A structure that can be freed in small steps.
pub(crate) trait Dismantle {
    /// Frees a few of its parts; returns `false` if nothing was left.
    fn dismantle(&mut self) -> bool;
}

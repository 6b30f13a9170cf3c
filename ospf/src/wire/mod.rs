//! Wire formats (RFC 2328 appendix A): bytes against values that compare.
//!
//! Reading is bounded by the bytes present, never by a count or a length that they claim. Unknown values survive.

mod error;
mod lsa;
mod packet;

pub use error::WireError;
pub use lsa::*;
pub use packet::*;

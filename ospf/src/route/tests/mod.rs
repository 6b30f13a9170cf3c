//! Whole calculations over networks described in a few lines.

mod areas;
mod external;
mod inside;
pub(super) mod kit;
mod oracle;
mod policy;
mod speed;
mod standing;

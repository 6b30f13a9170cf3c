//! The states and kinds that answers name by fixed words. Each is an enum, which has its words from here.

mod ospf;
mod segments;
mod site;
#[cfg(test)]
mod tests;

pub use ospf::*;
pub use segments::*;
pub use site::*;

/// Defines enums of which each variant is a fixed word in JSON and in text, and lets each read words that a newer version may add.
macro_rules! words {
    ($(
        $(#[$about:meta])*
        $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }
    )+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$what])* #[serde(rename = $word)] $variant,)+
            /// A word of a newer version, which this version does not know.
            #[serde(other, rename = "?")]
            Unknown,
        }

        impl $name {
            /// All variants but `Unknown`.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in JSON and in text.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown => "?",
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    )+};
}

use words;

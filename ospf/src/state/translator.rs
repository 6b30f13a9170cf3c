//! A border router of an NSSA as a translator of type-7 LSAs (RFC 3101 §3).

use std::collections::BTreeMap;

use crate::config::External;
use crate::ids::{AreaId, Prefix};

/// NSSATranslatorState (RFC 3101 §3.1); a router that is in none of these does not translate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Translator {
    /// It is elected, or always translates.
    Elected,
    /// Another was elected: it goes on for TranslatorStabilityInterval, so that nothing is missing meanwhile.
    Deposed,
}

/// What this router originates as a translator, as far as it has been determined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Translations {
    pub(crate) externals: BTreeMap<Prefix, External>,
    pub(crate) ranges: BTreeMap<Prefix, External>,
    pub(crate) next: Next,
    /// LSAs that were looked at so far.
    pub(crate) looked_at: usize,
}

/// Where to go on in [`crate::route::Calculation::translatable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Next {
    #[default]
    First,
    After((Prefix, AreaId)),
    Nothing,
}

impl Translations {
    /// Whether everything has been looked at.
    pub(crate) fn is_complete(&self) -> bool {
        self.next == Next::Nothing
    }

    /// Single destinations, and ranges.
    pub(crate) fn into_externals(self) -> BTreeMap<Prefix, External> {
        let mut externals = self.externals;
        externals.extend(self.ranges);
        externals
    }

    /// Ranges alone.
    pub(crate) fn ranges(&self) -> &BTreeMap<Prefix, External> {
        &self.ranges
    }
}

//! The translation of Type-7 LSAs by a border router of an NSSA (RFC 3101 §3).

use std::collections::BTreeMap;

use crate::config::External;
use crate::ids::{AreaId, Prefix};

/// NSSATranslatorState (RFC 3101 §3.1); a router that is in none of these does not translate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Translator {
    /// The router is elected, or always translates.
    Elected,
    /// Another router was elected: this one continues for TranslatorStabilityInterval, so that no route is missing meanwhile.
    Deposed,
}

/// The LSAs that this router originates as a translator, as far as they have been determined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Translations {
    pub(crate) externals: BTreeMap<Prefix, External>,
    pub(crate) ranges: BTreeMap<Prefix, External>,
    pub(crate) next: Next,
    /// Number of LSAs examined so far.
    pub(crate) looked_at: usize,
}

/// Where to continue in [`crate::route::Calculation::translatable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Next {
    #[default]
    First,
    After((Prefix, AreaId)),
    Nothing,
}

impl Translations {
    /// Whether all LSAs have been examined.
    pub(crate) fn is_complete(&self) -> bool {
        self.next == Next::Nothing
    }

    /// Single destinations and ranges together.
    pub(crate) fn into_externals(self) -> BTreeMap<Prefix, External> {
        let mut externals = self.externals;
        externals.extend(self.ranges);
        externals
    }

    /// Ranges only.
    pub(crate) fn ranges(&self) -> &BTreeMap<Prefix, External> {
        &self.ranges
    }
}

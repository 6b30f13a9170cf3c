//! Compares, in slices, the LSAs that this router should originate for networks with those that it does originate: Summary-LSAs,
//! AS-external-LSAs and Type-7 LSAs (RFC 2328 §12.4.3, §12.4.4, RFC 3101 §2.4). A wish is the LSA that should be originated for a network.
//!
//! Invariants:
//! - A comparison determines the wish for each network at that moment, from the latest configuration and the latest routes.
//! - If something changes during a comparison, another comparison follows. So every comparison ends, and the last one takes all changes
//!   into account.
//! - LSAs without a wish are withdrawn before any LSA is added, so that their Link State IDs are free for others (appendix E).

use crate::event::Event;
use crate::ids::{Domain, LinkStateId, LsaType, Prefix};
use crate::origination::external_lsa::Type7Terms;
use crate::state::engine::Engine;
use crate::state::translator::Translations;
use crate::state::wishes::{Comparison, Due, Source, UnderWay};
use crate::state::work::Unit;
use crate::wire::{LsaBody, Options};

impl Engine {
    /// Schedules a comparison of Summary-LSAs.
    pub(crate) fn want_summaries(&mut self) {
        self.wishes.summaries = Due::Yes;
    }

    /// Schedules a comparison of AS-external-LSAs and Type-7 LSAs.
    pub(crate) fn want_externals(&mut self) {
        self.wishes.externals = Due::Yes;
    }

    /// Compares wishes with the LSAs to be originated by [`crate::origination::scheduler`], as long as there are units left.
    pub(crate) fn compare_wishes(&mut self) {
        while self.work.left(Unit::Wish) > 0 {
            let Some(under_way) = self.wishes.under_way.take().or_else(|| self.begin_comparison()) else { return };
            self.wishes.under_way = self.advance_comparison(under_way);
        }
    }

    fn begin_comparison(&mut self) -> Option<UnderWay> {
        if std::mem::take(&mut self.wishes.summaries) == Due::Yes {
            return Some(UnderWay::Summaries { areas: self.areas().into_iter().collect(), comparison: None });
        }
        (std::mem::take(&mut self.wishes.externals) == Due::Yes)
            .then(|| UnderWay::Translations(Translations::default()))
    }

    /// Advances a comparison by one step; `None` at its end.
    fn advance_comparison(&mut self, mut under_way: UnderWay) -> Option<UnderWay> {
        let next = match &mut under_way {
            UnderWay::Summaries { comparison: Some((source, comparison)), .. }
            | UnderWay::Externals { comparison: Some((source, comparison)), .. } => {
                self.compare(source, comparison);
                let (UnderWay::Summaries { comparison, .. } | UnderWay::Externals { comparison, .. }) = &mut under_way
                else {
                    return None;
                };
                comparison.take_if(|(_, comparison)| matches!(comparison, Comparison::Done));
                return Some(under_way);
            }
            UnderWay::Summaries { areas, .. } => {
                let area = areas.pop_front()?;
                Source::Summaries(area, self.summaries_of(area))
            }
            UnderWay::Externals { sources, .. } => sources.pop_front()?,
            UnderWay::Translations(translations) => {
                let units = self.work.left(Unit::Wish);
                let spent = self.translate(translations, units);
                self.work.spend(Unit::Wish, spent.max(1));
                if !translations.is_complete() {
                    return Some(under_way);
                }
                let translations = std::mem::take(translations);
                self.note_aggregates(translations.ranges());
                let translated = translations.into_externals();
                let type_7 = self.areas().into_iter().map(Source::Type7);
                let sources = [Source::AsExternals(translated)].into_iter().chain(type_7).collect();
                return Some(UnderWay::Externals { sources, comparison: None });
            }
        };
        // The beginning of a comparison costs a unit, too: there are as many as there are areas.
        self.work.spend(Unit::Wish, 1);
        let (UnderWay::Summaries { comparison, .. } | UnderWay::Externals { comparison, .. }) = &mut under_way else {
            return None;
        };
        *comparison = Some((next, Comparison::Withdrawing(None)));
        Some(under_way)
    }

    fn terms(&self, source: &Source) -> Terms {
        let areas = self.areas();
        match *source {
            Source::Summaries(area, _) => Terms {
                domain: Domain::Area(area),
                kind: LsaType::SUMMARY_NETWORK,
                options: self.config.area_options(area),
                type_7: None,
                open: areas.contains(&area),
            },
            Source::AsExternals(_) => Terms {
                domain: Domain::As,
                kind: LsaType::AS_EXTERNAL,
                options: Options::E,
                type_7: None,
                // They are useless if all of this router's areas are stub areas (§3.6).
                open: self.takes_as_scope(),
            },
            Source::Type7(area) => {
                let type_7 = self.type_7_terms(area);
                Terms {
                    domain: Domain::Area(area),
                    kind: LsaType::NSSA,
                    options: self.config.area_options(area),
                    open: areas.contains(&area) && type_7.is_some(),
                    type_7,
                }
            }
        }
    }

    /// The wish for a network.
    fn wish(&self, source: &Source, terms: &Terms, prefix: Prefix) -> Option<(Options, LsaBody)> {
        if !terms.open {
            return None;
        }
        match source {
            Source::Summaries(_, metrics) => {
                let body = crate::origination::summary_lsa::body(prefix.netmask(), *metrics.get(&prefix)?);
                Some((terms.options, body))
            }
            Source::AsExternals(translated) => {
                // A destination configured on this router takes precedence over a translated one.
                let external = self.config.externals.get(&prefix).or_else(|| translated.get(&prefix))?;
                Some((terms.options, crate::origination::external_lsa::body(prefix, external)))
            }
            Source::Type7(_) => terms.type_7.as_ref()?.wish(prefix, self.config.externals.get(&prefix)),
        }
    }

    /// The next network after `after` that may have a wish.
    fn next_wish(&self, source: &Source, terms: &Terms, after: Option<Prefix>) -> Option<Prefix> {
        use std::ops::Bound;
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let configured = || self.config.externals.range(range).next().map(|(&prefix, _)| prefix);
        match source {
            _ if !terms.open => None,
            Source::Summaries(_, metrics) => metrics.range(range).next().map(|(&prefix, _)| prefix),
            Source::AsExternals(translated) => {
                let translated = translated.range(range).next().map(|(&prefix, _)| prefix);
                [configured(), translated].into_iter().flatten().min()
            }
            Source::Type7(_) => {
                // The default route of a border router need not be configured.
                let default = after.is_none().then_some(Prefix::DEFAULT);
                [configured(), default].into_iter().flatten().min()
            }
        }
    }

    /// Compares the LSAs of a domain as long as there are units left.
    fn compare(&mut self, source: &Source, comparison: &mut Comparison) {
        let terms = self.terms(source);
        let (domain, kind) = (terms.domain, terms.kind);
        while self.work.take(Unit::Wish) {
            let last = LinkStateId(u32::MAX);
            *comparison = match *comparison {
                Comparison::Withdrawing(after) => {
                    let first = after.map_or(Some(LinkStateId(u32::MIN)), |id| id.0.checked_add(1).map(LinkStateId));
                    let next = first.and_then(|first| self.originations.networks(domain, kind, [first, last]).next());
                    match next {
                        Some((prefix, id)) => {
                            if self.wish(source, &terms, prefix).is_none() {
                                self.withdraw_network(domain, kind, id);
                            }
                            Comparison::Withdrawing(Some(id))
                        }
                        None => {
                            let unplaced: Vec<_> = self.originations.unplaced(domain).collect();
                            for prefix in unplaced {
                                if self.wish(source, &terms, prefix).is_none() {
                                    self.originations.note_unplaced(domain, prefix, false);
                                }
                            }
                            Comparison::Hosts(None)
                        }
                    }
                }
                Comparison::Hosts(after) => match self.next_wish(source, &terms, after) {
                    Some(prefix) if prefix.len() == 32 => {
                        self.grant(source, &terms, prefix);
                        Comparison::Hosts(Some(prefix))
                    }
                    Some(prefix) => Comparison::Hosts(Some(prefix)),
                    None => Comparison::Networks(None),
                },
                Comparison::Networks(after) => match self.next_wish(source, &terms, after) {
                    Some(prefix) => {
                        if prefix.len() < 32 {
                            self.grant(source, &terms, prefix);
                        }
                        Comparison::Networks(Some(prefix))
                    }
                    None => Comparison::Done,
                },
                Comparison::Done => return,
            };
        }
    }

    /// Makes the LSA of a network agree with its wish, if there is a Link State ID for it.
    fn grant(&mut self, source: &Source, terms: &Terms, prefix: Prefix) {
        let Some((options, body)) = self.wish(source, terms, prefix) else { return };
        for (prefix, is_placed) in self.want_network(terms.domain, terms.kind, prefix, options, body) {
            let is_external = !matches!(source, Source::Summaries(..));
            // A network without a Summary-LSA, because there is no free Link State ID, is described by the LSAs of its parts.
            if is_external && self.originations.note_unplaced(terms.domain, prefix, !is_placed) {
                self.event(Event::ExternalNotOriginated { prefix });
            }
        }
    }
}

/// What the wishes of a source have in common; determined once for each slice.
pub(crate) struct Terms {
    pub(crate) domain: Domain,
    pub(crate) kind: LsaType,
    pub(crate) options: Options,
    pub(crate) type_7: Option<Type7Terms>,
    /// Whether any LSAs may be originated there.
    pub(crate) open: bool,
}

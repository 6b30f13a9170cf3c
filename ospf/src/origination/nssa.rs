//! NSSA border routers (RFC 3101 §3): which router translates the Type-7 LSAs of an area, and into which AS-external-LSAs.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::config::{Advertise, AreaKind, External, ExternalMetric, NssaConfig, TranslatorRole};
use crate::established::established;
use crate::ids::{AreaId, Domain, LsaType, Prefix};
use crate::route::{Border, Destination, Translatable};
use crate::state::calculation::Consequence;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::state::translator::{Next, Translations, Translator};
use crate::wire::{LS_INFINITY, LsaBody};

impl Engine {
    /// Records the external destinations that this router originates as aggregates of others: translated ranges, and configured aggregates.
    /// Schedules the calculation of their routes where they have changed.
    pub(crate) fn note_aggregates(&mut self, ranges: &BTreeMap<Prefix, External>) {
        let configured = self.config.externals.iter().filter(|(prefix, _)| self.config.aggregates.contains(prefix));
        // A destination that is configured on this router is not a translated range (see `wish`).
        let ranges = ranges.iter().filter(|(prefix, _)| !self.config.externals.contains_key(prefix));
        let aggregates: BTreeMap<_, _> =
            configured.chain(ranges).map(|(&prefix, &external)| (prefix, external)).collect();
        let before = std::mem::replace(&mut self.aggregates, aggregates);
        let all = before.keys().chain(self.aggregates.keys());
        let changed = all.filter(|&prefix| before.get(prefix) != self.aggregates.get(prefix));
        let changed = changed.map(|&prefix| Destination::External(prefix)).collect();
        self.schedule(Consequence::Parts(changed));
    }

    /// Whether any area of this router is an NSSA, or was when it last translated.
    pub(crate) fn has_nssa(&self) -> bool {
        !self.translators.is_empty() || self.areas().into_iter().any(|area| self.nssa(area).is_some())
    }

    fn nssa(&self, area: AreaId) -> Option<&NssaConfig> {
        match self.config.area_kind(area) {
            AreaKind::Nssa(nssa) => Some(nssa),
            AreaKind::Normal | AreaKind::Stub { .. } => None,
        }
    }

    /// Elects the translator of each NSSA (RFC 3101 §3.1).
    pub(crate) fn elect_translators(&mut self) {
        let areas = self.areas();
        let is_border = self.border() != Border::Inside;
        let may = |engine: &Self, area| areas.contains(&area) && is_border && engine.nssa(area).is_some();
        for area in self.translators.keys().copied().collect::<Vec<_>>() {
            if !may(self, area) {
                self.stop_translating(area);
            }
        }
        for area in areas.iter().copied().filter(|&area| may(self, area)).collect::<Vec<_>>() {
            let Some(nssa) = established(self.nssa(area)) else { continue };
            let interval = nssa.stability_interval;
            let elected = match nssa.translator {
                TranslatorRole::Always => true,
                TranslatorRole::Candidate => {
                    let latest = &self.calculation.latest;
                    !latest.has_better_translator(area, self.config.router_id, |area| self.has_externals(area))
                }
            };
            match (elected, self.translators.get(&area)) {
                (true, _) => {
                    self.translators.insert(area, Translator::Elected);
                    self.timers.cancel(TimerKey::TranslatorStability(area));
                }
                (false, Some(Translator::Elected)) => {
                    self.translators.insert(area, Translator::Deposed);
                    self.timers.set(TimerKey::TranslatorStability(area), self.now + interval);
                }
                (false, Some(Translator::Deposed) | None) => {}
            }
        }
    }

    /// Handles the end of TranslatorStabilityInterval: "the router ... ceases translating", and its AS-external-LSAs are flushed.
    pub(crate) fn translator_stability_timer(&mut self, area: AreaId) {
        self.stop_translating(area);
        self.want_externals();
    }

    fn stop_translating(&mut self, area: AreaId) {
        self.translators.remove(&area);
        self.timers.cancel(TimerKey::TranslatorStability(area));
    }

    /// Continues to determine what this router originates as a translator (RFC 3101 §3.2), by up to `most` Type-7 LSAs. Returns how many
    /// LSAs it examined.
    pub(crate) fn translate(&self, translations: &mut Translations, most: usize) -> usize {
        if self.translators.is_empty() || !self.takes_as_scope() {
            translations.next = Next::Nothing;
        }
        let after = match translations.next {
            Next::First => Bound::Unbounded,
            Next::After(key) => Bound::Excluded(key),
            Next::Nothing => return 0,
        };
        let before = translations.looked_at;
        let mut count = 0;
        for (&key, found) in self.calculation.latest.translatable.range((after, Bound::Unbounded)).take(most) {
            count += 1;
            translations.looked_at += 1;
            translations.next = Next::After(key);
            self.translate_one(translations, key, found);
        }
        if count < most {
            translations.next = Next::Nothing;
        }
        translations.looked_at - before
    }

    fn translate_one(&self, translations: &mut Translations, (prefix, area): (Prefix, AreaId), found: &Translatable) {
        let Some(nssa) = self.nssa(area).filter(|_| self.translators.contains_key(&area)) else { return };
        let around = nssa.ranges.iter().filter(|(range, _)| range.covers(prefix));
        let Some((&range, config)) = around.max_by_key(|(range, _)| range.len()) else {
            // "a functionally equivalent Type-5 LSA" of a router with a higher Router ID is enough.
            if !self.is_translated_by_others(prefix, found, &mut translations.looked_at) {
                let Translatable { metric, forwarding, tag, .. } = *found;
                let external = External { metric, forwarding: Some(forwarding), tag };
                translations.externals.insert(prefix, external);
            }
            return;
        };
        if config.advertise == Advertise::No {
            return;
        }
        // The cost of the range is that of its most distant network. It includes the path from this router on, because the forwarding
        // address is 0.0.0.0.
        let metric = match found.metric {
            ExternalMetric::Type1(_) => ExternalMetric::Type1(found.cost.min(LS_INFINITY - 1)),
            ExternalMetric::Type2(metric) => ExternalMetric::Type2((metric + 1).min(LS_INFINITY - 1)),
        };
        let aggregate =
            translations.ranges.entry(range).or_insert(External { metric, forwarding: None, tag: config.tag });
        // "the highest path type", and among those the highest cost.
        aggregate.metric = aggregate.metric.max(metric);
    }

    fn is_translated_by_others(&self, prefix: Prefix, found: &Translatable, looked_at: &mut usize) -> bool {
        let own = self.config.router_id;
        let Some(lsdb) = self.databases.domain(Domain::As) else { return false };
        let about = lsdb.about(LsaType::AS_EXTERNAL, prefix).inspect(|_| *looked_at += 1);
        about.filter(|entry| entry.key().advertising_router > own).any(|entry| {
            let LsaBody::External(lsa) = entry.body() else { return false };
            !entry.is_max_age(self.now)
                && (lsa.metric, lsa.forwarding_address) == (found.metric, found.forwarding)
                // The LSA of a router that is not reachable as an AS boundary router may be obsolete.
                && self
                    .calculation
                    .latest
                    .is_boundary_router(entry.key().advertising_router, |area| self.has_externals(area))
        })
    }

    /// Whether AS-external-LSAs are flooded in an area.
    fn has_externals(&self, area: AreaId) -> bool {
        self.config.area_kind(area).external_routing().lets_in(LsaType::AS_EXTERNAL)
    }
}

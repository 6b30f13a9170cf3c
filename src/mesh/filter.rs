//! Prefix lists: which destinations of the kernel a site redistributes into OSPF, and which routes of OSPF it installs in the kernel.

use std::ops::RangeInclusive;

use ospf::External;

use crate::net::Prefix;

/// One entry of a prefix list, `"10.0.0.0/8 ge 16 le 24"`: selects the destinations within a network that have a prefix length in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixRule {
    /// The network that contains the selected destinations.
    pub within: Prefix,
    /// Shortest prefix length, at least that of `within`.
    pub shortest: u8,
    /// Longest prefix length, at least `shortest`, at most 32.
    pub longest: u8,
}

impl PrefixRule {
    /// `"0.0.0.0/0 le 32"`: every destination.
    pub const ALL: Self = Self { within: Prefix::DEFAULT_V4, shortest: 0, longest: 32 };

    /// Every destination but a default route.
    pub const ALL_BUT_DEFAULT: Self = Self { shortest: 1, ..Self::ALL };

    /// Whether this entry selects `prefix`.
    pub fn selects(&self, prefix: Prefix) -> bool {
        self.within.covers(prefix) && (self.shortest..=self.longest).contains(&prefix.len())
    }
}

/// One `[[site.redistribute]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redistribution {
    /// The source of the destinations.
    pub from: Source,
    /// Entries that select destinations, each with an optional tag. A destination gets the tag of the first entry that selects it, if that
    /// has one.
    pub prefixes: Vec<(PrefixRule, Option<u32>)>,
    /// Metric, forwarding address and tag with which the destinations are originated.
    pub external: External,
}

impl Redistribution {
    /// How `prefix` is originated; `None` if this does not select it.
    pub fn originates(&self, prefix: Prefix) -> Option<External> {
        let (_, tag) = self.prefixes.iter().find(|(entry, _)| entry.selects(prefix))?;
        Some(External { tag: tag.unwrap_or(self.external.tag), ..self.external })
    }
}

/// `from`: the source of a destination that OSPF did not compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Routes of the kernel that weft did not make, including static ones.
    Kernel,
    /// Connected networks of this router's interfaces.
    Connected,
    /// Routes of the kernel with protocol `static` or `boot`: those that administrators and boot scripts make.
    Static,
}

/// One `[[site.import]]`. The first rule that selects a route decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRule {
    /// Entries of which at least one must select the destination.
    pub prefixes: Vec<PrefixRule>,
    /// External Route Tags of the selected routes; empty for any tag.
    pub tags: Vec<RangeInclusive<u32>>,
    /// What happens to the selected routes.
    pub action: ImportAction,
}

/// `action`: whether a route that OSPF computed is installed in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportAction {
    /// The route is installed in the kernel.
    Accept,
    /// The route is not installed in the kernel, only shown.
    Refuse,
}

impl ImportRule {
    /// Whether this rule selects a route to `prefix` with this tag.
    fn selects(&self, prefix: Prefix, tag: u32) -> bool {
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tags| tags.contains(&tag));
        tagged && self.prefixes.iter().any(|entry| entry.selects(prefix))
    }
}

/// The action of `rules` for a route to `prefix` with this External Route Tag, which is 0 inside the AS. A route that no rule selects is
/// accepted.
pub fn import_action(rules: &[ImportRule], prefix: Prefix, tag: u32) -> ImportAction {
    selected_import(rules, prefix, tag).unwrap_or(ImportAction::Accept)
}

/// The action of the first of `rules` that selects the route; `None` if no rule does.
pub fn selected_import(rules: &[ImportRule], prefix: Prefix, tag: u32) -> Option<ImportAction> {
    rules.iter().find(|rule| rule.selects(prefix, tag)).map(|rule| rule.action)
}

/// Whether `rules` refuse a route to `prefix` with any tag.
pub fn is_refused_whatever_tag(rules: &[ImportRule], prefix: Prefix) -> bool {
    let mut selecting = rules.iter().filter(|rule| rule.prefixes.iter().any(|entry| entry.selects(prefix)));
    // A rule that refuses only some tags leaves the other tags to the rules that follow it.
    selecting
        .find(|rule| rule.tags.is_empty() || rule.action == ImportAction::Accept)
        .is_some_and(|rule| rule.action == ImportAction::Refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn rule(within: &str, shortest: u8, longest: u8) -> PrefixRule {
        PrefixRule { within: prefix(within), shortest, longest }
    }

    #[test]
    fn an_entry_selects_what_lies_within_it_and_has_a_length_between_its_bounds() {
        let entry = rule("10.0.0.0/8", 16, 24);
        for (text, selected) in [
            ("10.1.0.0/16", true),
            ("10.1.2.0/24", true),
            ("10.0.0.0/8", false),
            ("10.1.2.0/25", false),
            ("11.1.0.0/16", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(entry.selects(prefix(text)), selected, "{text}");
        }
        assert!(rule("0.0.0.0/0", 0, 32).selects(prefix("10.1.2.3/32")));
        assert!(!rule("0.0.0.0/0", 0, 0).selects(prefix("10.0.0.0/8")));
    }

    #[test]
    fn the_first_rule_that_selects_a_destination_decides_and_what_none_selects_is_accepted() {
        let import = |within, longest, tags: &[RangeInclusive<u32>], action| {
            let within = prefix(within);
            let entry = PrefixRule { within, shortest: within.len(), longest };
            ImportRule { prefixes: vec![entry], tags: tags.to_vec(), action }
        };
        let rules = [
            import("10.1.0.0/16", 32, &[], ImportAction::Accept),
            import("10.0.0.0/8", 32, &[], ImportAction::Refuse),
            import("0.0.0.0/0", 32, &[7..=7, 100..=199], ImportAction::Refuse),
        ];
        assert_eq!(import_action(&rules, prefix("10.1.2.0/24"), 0), ImportAction::Accept);
        assert_eq!(import_action(&rules, prefix("10.2.0.0/16"), 0), ImportAction::Refuse);
        for (tag, action) in [
            (0, ImportAction::Accept),
            (7, ImportAction::Refuse),
            (8, ImportAction::Accept),
            (150, ImportAction::Refuse),
        ] {
            assert_eq!(import_action(&rules, prefix("192.168.0.0/16"), tag), action, "{tag}");
        }
    }

    #[test]
    fn the_first_prefix_that_selects_a_destination_gives_it_its_tag() {
        let external = External { metric: ospf::ExternalMetric::Type2(20), forwarding: None, tag: 3 };
        let prefixes = vec![(rule("10.1.0.0/16", 16, 32), Some(7)), (rule("10.0.0.0/8", 8, 16), None)];
        let redistribution = Redistribution { from: Source::Static, prefixes, external };
        let tag = |text| redistribution.originates(prefix(text)).map(|external| external.tag);
        assert_eq!((tag("10.1.2.0/24"), tag("10.2.0.0/16"), tag("10.2.2.0/24")), (Some(7), Some(3), None));
    }

    #[test]
    fn a_destination_is_refused_whatever_its_tag_unless_a_rule_before_may_accept_it() {
        let rule = |tags: &[RangeInclusive<u32>], action| {
            let entry = PrefixRule { within: prefix("10.1.0.0/16"), shortest: 16, longest: 32 };
            ImportRule { prefixes: vec![entry], tags: tags.to_vec(), action }
        };
        let (refuse, accept) = (rule(&[], ImportAction::Refuse), rule(&[], ImportAction::Accept));
        let (refuse_7, accept_7) = (rule(&[7..=7], ImportAction::Refuse), rule(&[7..=7], ImportAction::Accept));
        for (rules, expected) in [
            (vec![], false),
            (vec![refuse.clone()], true),
            (vec![accept, refuse.clone()], false),
            (vec![accept_7, refuse.clone()], false),
            (vec![refuse_7.clone()], false),
            (vec![refuse_7, refuse], true),
        ] {
            assert_eq!(is_refused_whatever_tag(&rules, prefix("10.1.7.0/24")), expected, "{rules:?}");
            assert!(!is_refused_whatever_tag(&rules, prefix("10.2.0.0/16")), "{rules:?}");
        }
    }
}

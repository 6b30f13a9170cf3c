//! The users of opaque LSAs (RFC 5250): which Opaque Types each has, and which received changes are for it.
//!
//! A user names its LSAs by numbers of its own, and knows no Opaque Type. Its shares are LSAs that change independently: RFC 2328 §12.4
//! allows a new instance of an LSA only once in MinLSInterval.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use bytes::Bytes;
use ospf::{Domain, LsaPlace, RouterId};
use tracing::debug;

use crate::mesh::Mesh;

/// The Opaque Types of weft itself, from the range for private use (RFC 5250 §7.2). Some are not assigned to a user yet. They are accepted
/// from routers of sites only.
const OWN_TYPES: RangeInclusive<u8> = 201..=219;

/// A part of weft that advertises information by opaque LSAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpaqueUser {
    /// Claims of hosts in segments. The Opaque ID is the segment's VNI.
    SegmentClaims,
}

/// All users.
const USERS: [OpaqueUser; 1] = [OpaqueUser::SegmentClaims];

impl OpaqueUser {
    /// The user's Opaque Types, one for each share.
    const fn types(self) -> RangeInclusive<u8> {
        match self {
            Self::SegmentClaims => 201..=216,
        }
    }

    /// Whether a router of the mesh has this user.
    fn is_in(self, mesh: &Mesh) -> bool {
        match self {
            Self::SegmentClaims => !mesh.segments.is_empty(),
        }
    }

    /// The number of the user's shares, which are numbered from 0.
    pub const fn shares(self) -> u8 {
        let types = self.types();
        *types.end() - *types.start() + 1
    }

    /// The Opaque Type of a share; `None` if the user does not have so many.
    pub(super) fn opaque_type(self, share: u8) -> Option<u8> {
        self.types().nth(share.into())
    }

    /// The user of an Opaque Type, and the share.
    fn of(opaque_type: u8) -> Option<(Self, u8)> {
        let user = USERS.into_iter().find(|user| user.types().contains(&opaque_type))?;
        Some((user, opaque_type - user.types().start()))
    }
}

/// An opaque LSA in the terms of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpaqueLsa {
    /// The domain in which it is flooded.
    pub domain: Domain,
    /// The share.
    pub share: u8,
    /// Opaque ID, 24 bits.
    pub id: u32,
}

/// Changed opaque LSAs of other routers that are for one user; `None` = withdrawn.
pub type UserChanges = BTreeMap<(OpaqueLsa, RouterId), Option<Bytes>>;

/// Changed opaque LSAs of other routers, sorted by user.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OpaqueChanges(BTreeMap<OpaqueUser, UserChanges>);

impl OpaqueChanges {
    /// Adds a change, which replaces an earlier one of the same LSA. A change of an LSA that no user has is dropped.
    pub(super) fn insert(&mut self, place: LsaPlace, body: Option<Bytes>) {
        let LsaPlace { domain, key } = place;
        let [opaque_type, high, middle, low] = key.id.0.to_be_bytes();
        let Some((user, share)) = OpaqueUser::of(opaque_type) else {
            debug!(?domain, lsa = %key, "an opaque LSA of a type that nothing here uses");
            return;
        };
        let lsa = OpaqueLsa { domain, share, id: u32::from_be_bytes([0, high, middle, low]) };
        self.0.entry(user).or_default().insert((lsa, key.advertising_router), body);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The users that have changes, and their changes.
    pub fn by_user(&self) -> impl Iterator<Item = (OpaqueUser, &UserChanges)> {
        self.0.iter().map(|(user, changes)| (*user, changes))
    }
}

/// The Opaque Types of which the engine reports LSAs: those of the users that the mesh has.
pub(super) fn watched(mesh: &Mesh) -> BTreeSet<u8> {
    USERS.into_iter().filter(|user| user.is_in(mesh)).flat_map(OpaqueUser::types).collect()
}

/// The Opaque Types that are accepted from routers of sites only: all of weft's own, so that a later version can assign more of them.
pub(super) fn guarded() -> BTreeSet<u8> {
    OWN_TYPES.collect()
}

#[cfg(test)]
mod tests {
    use ospf::{AreaId, LinkStateId, LsaKey, LsaType};

    use super::*;
    use crate::mesh;

    fn mesh(segments: &str) -> Mesh {
        let mut text = String::from("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n");
        for (name, id, key) in [("taipei", 1, 'A'), ("osaka", 2, 'B')] {
            let key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=".replacen('A', &key.to_string(), 1);
            text += &format!(
                "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n"
            );
        }
        mesh::parse("mesh", &(text + segments)).unwrap_or_else(|wrong| panic!("{wrong}")).mesh
    }

    fn place(opaque_type: u8, id: u32, router: u32) -> LsaPlace {
        let id = LinkStateId(u32::from(opaque_type) << 24 | id);
        let key = LsaKey { kind: LsaType::OPAQUE_AREA, id, advertising_router: RouterId(router) };
        LsaPlace { domain: Domain::Area(AreaId::BACKBONE), key }
    }

    #[test]
    fn no_opaque_type_has_two_users_and_all_are_within_wefts_own_range() {
        let types: Vec<u8> = USERS.into_iter().flat_map(OpaqueUser::types).collect();
        assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len(), "{types:?}");
        assert!(types.iter().all(|opaque_type| OWN_TYPES.contains(opaque_type)), "{types:?}");
    }

    /// Routers of other versions have to find them.
    #[test]
    fn claims_of_segments_have_the_opaque_types_that_they_always_had() {
        let user = OpaqueUser::SegmentClaims;
        let types: Vec<u8> = (0..vxlan::SHARES).map_while(|share| user.opaque_type(share)).collect();
        assert_eq!(types, (201..=216).collect::<Vec<u8>>());
        assert_eq!(user.opaque_type(vxlan::SHARES), None);
    }

    #[test]
    fn every_share_has_an_opaque_type_that_leads_back_to_it() {
        for user in USERS {
            for share in 0..user.shares() {
                assert_eq!(user.opaque_type(share).and_then(OpaqueUser::of), Some((user, share)));
            }
        }
        let unassigned = [0, 4, 200, 217, 219, 220, 255];
        assert_eq!(unassigned.map(OpaqueUser::of), [None; 7]);
    }

    #[test]
    fn the_engine_reports_what_the_mesh_has_users_of_and_guards_all_of_wefts_own() {
        let segment = "[[l2]]\nname = \"vms\"\nvni = 100\n[[l2.site]]\nname = \"taipei\"\nports = [\"tap0\"]\n\
                       [[l2.site]]\nname = \"osaka\"\nports = [\"tap0\"]\n";
        assert_eq!(watched(&mesh("")), BTreeSet::new());
        assert_eq!(watched(&mesh(segment)), (201..=216).collect());
        assert_eq!(guarded(), (201..=219).collect());
    }

    #[test]
    fn a_change_reaches_its_user_in_the_terms_of_the_user_and_others_are_dropped() {
        let mut changes = OpaqueChanges::default();
        changes.insert(place(4, 0, 7), None);
        changes.insert(place(219, 0, 7), Some(Bytes::from_static(b"else")));
        assert!(changes.is_empty());
        changes.insert(place(203, 0xfe_dcba, 7), Some(Bytes::from_static(b"before")));
        changes.insert(place(203, 0xfe_dcba, 7), Some(Bytes::from_static(b"after")));
        changes.insert(place(203, 0xfe_dcba, 8), None);
        let lsa = OpaqueLsa { domain: Domain::Area(AreaId::BACKBONE), share: 2, id: 0xfe_dcba };
        let expected =
            UserChanges::from([((lsa, RouterId(7)), Some(Bytes::from_static(b"after"))), ((lsa, RouterId(8)), None)]);
        assert_eq!(changes.by_user().collect::<Vec<_>>(), [(OpaqueUser::SegmentClaims, &expected)]);
    }
}

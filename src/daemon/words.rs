//! Converts states of the daemon's parts into the words of the control socket.

use ospf::{
    InterfaceState, KeyAlgorithm, KeyStanding, LimitState, NeighborState, NetworkType, RouteKind, SpfState,
    StubRouterState, VirtualLinkObstacle,
};
use vxlan::segment::{Resolution, UnknownUnicast};

use crate::bfd::protocol::SessionState;
use crate::control::view;
use crate::mesh::SourceCheck;
use crate::reconcile::filter::Reason;
use crate::reconcile::state::Backend;

impl From<Backend> for view::TunnelBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Kernel => Self::Kernel,
            Backend::Userspace => Self::Userspace,
        }
    }
}

impl From<SourceCheck> for view::SourceCheck {
    fn from(check: SourceCheck) -> Self {
        match check {
            SourceCheck::Strict => Self::Strict,
            SourceCheck::Off => Self::Off,
        }
    }
}

impl From<Reason> for view::DropReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Control => Self::Control,
            Reason::Vxlan => Self::Vxlan,
            Reason::Source => Self::Source,
            Reason::Martian => Self::Martian,
            Reason::Ipv6 => Self::Ipv6,
        }
    }
}

impl From<ospf::Unprotected> for view::Unprotected {
    fn from(reason: ospf::Unprotected) -> Self {
        use ospf::Unprotected;
        match reason {
            Unprotected::NoOtherNeighbor => Self::NoOtherNeighbor,
            Unprotected::MaxLinkMetric => Self::MaxLinkMetric,
            Unprotected::NoOtherPath => Self::NoOtherPath,
            Unprotected::NotLoopFree => Self::NotLoopFree,
            Unprotected::SameFate => Self::SameFate,
            Unprotected::Refused => Self::Refused,
            Unprotected::VirtualLinks => Self::VirtualLinks,
            Unprotected::OtherArea => Self::OtherArea,
        }
    }
}

impl From<NeighborState> for view::NeighborState {
    fn from(state: NeighborState) -> Self {
        match state {
            NeighborState::Down => Self::Down,
            NeighborState::Attempt => Self::Attempt,
            NeighborState::Init => Self::Init,
            NeighborState::TwoWay => Self::TwoWay,
            NeighborState::ExStart => Self::ExStart,
            NeighborState::Exchange => Self::Exchange,
            NeighborState::Loading => Self::Loading,
            NeighborState::Full => Self::Full,
        }
    }
}

impl From<SessionState> for view::BfdState {
    fn from(state: SessionState) -> Self {
        match state {
            SessionState::AdminDown => Self::AdminDown,
            SessionState::Down => Self::Down,
            SessionState::Init => Self::Init,
            SessionState::Up => Self::Up,
        }
    }
}

impl From<InterfaceState> for view::InterfaceState {
    fn from(state: InterfaceState) -> Self {
        match state {
            InterfaceState::Down => Self::Down,
            InterfaceState::Passive => Self::Passive,
            InterfaceState::Waiting => Self::Waiting,
            InterfaceState::PointToPoint => Self::PointToPoint,
            InterfaceState::DrOther => Self::DrOther,
            InterfaceState::Backup => Self::Backup,
            InterfaceState::Dr => Self::Dr,
            _ => Self::Unknown,
        }
    }
}

impl From<NetworkType> for view::NetworkType {
    fn from(network: NetworkType) -> Self {
        match network {
            NetworkType::Broadcast => Self::Broadcast,
            NetworkType::NonBroadcast => Self::NonBroadcast,
            NetworkType::PointToPoint => Self::PointToPoint,
            NetworkType::PointToMultipoint => Self::PointToMultipoint,
            NetworkType::VirtualLink { .. } => Self::VirtualLink,
            _ => Self::Unknown,
        }
    }
}

impl From<KeyAlgorithm> for view::Authentication {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Md5 => Self::Md5,
            KeyAlgorithm::HmacSha1 => Self::HmacSha1,
            KeyAlgorithm::HmacSha256 => Self::HmacSha256,
            KeyAlgorithm::HmacSha384 => Self::HmacSha384,
            KeyAlgorithm::HmacSha512 => Self::HmacSha512,
        }
    }
}

impl From<KeyStanding> for view::KeyStanding {
    fn from(standing: KeyStanding) -> Self {
        match standing {
            KeyStanding::Valid => Self::Valid,
            KeyStanding::Expired => Self::Expired,
            KeyStanding::Premature => Self::Premature,
        }
    }
}

impl From<VirtualLinkObstacle> for view::VirtualLinkObstacle {
    fn from(obstacle: VirtualLinkObstacle) -> Self {
        match obstacle {
            VirtualLinkObstacle::NoPath => Self::NoPath,
            VirtualLinkObstacle::NoAddress => Self::NoAddress,
        }
    }
}

impl From<RouteKind> for view::PathType {
    fn from(kind: RouteKind) -> Self {
        match kind {
            RouteKind::IntraArea => Self::IntraArea,
            RouteKind::InterArea => Self::InterArea,
            RouteKind::External1 => Self::External1,
            RouteKind::External2 => Self::External2,
        }
    }
}

impl From<LimitState> for view::LimitState {
    fn from(state: LimitState) -> Self {
        match state {
            LimitState::Free => Self::Free,
            LimitState::ReachedForOthers => Self::ReachedForOthers,
            LimitState::Reached => Self::Reached,
        }
    }
}

impl From<SpfState> for view::SpfState {
    fn from(state: SpfState) -> Self {
        match state {
            SpfState::Quiet => Self::Quiet,
            SpfState::ShortWait => Self::ShortWait,
            SpfState::LongWait => Self::LongWait,
        }
    }
}

impl From<StubRouterState> for view::StubRouterState {
    fn from(state: StubRouterState) -> Self {
        match state {
            StubRouterState::Transit => Self::Transit,
            StubRouterState::Stub => Self::Stub,
        }
    }
}

impl From<Resolution> for view::ArpMode {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Proxy => Self::Proxy,
            Resolution::Suppress => Self::Suppress,
            Resolution::Flood => Self::Flood,
        }
    }
}

impl From<UnknownUnicast> for view::UnknownUnicast {
    fn from(handling: UnknownUnicast) -> Self {
        match handling {
            UnknownUnicast::Drop => Self::Drop,
            UnknownUnicast::Flood => Self::Flood,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_neighbours_and_interfaces_have_the_engines_words() {
        let neighbors = [
            NeighborState::Down,
            NeighborState::Attempt,
            NeighborState::Init,
            NeighborState::TwoWay,
            NeighborState::ExStart,
            NeighborState::Exchange,
            NeighborState::Loading,
            NeighborState::Full,
        ];
        assert_eq!(neighbors.map(view::NeighborState::from), view::NeighborState::ALL);
        for state in neighbors {
            assert_eq!(view::NeighborState::from(state).word(), state.to_string());
        }
        let interfaces = [
            InterfaceState::Down,
            InterfaceState::Passive,
            InterfaceState::Waiting,
            InterfaceState::PointToPoint,
            InterfaceState::DrOther,
            InterfaceState::Backup,
            InterfaceState::Dr,
        ];
        assert_eq!(interfaces.map(view::InterfaceState::from), view::InterfaceState::ALL);
        for state in interfaces {
            assert_eq!(view::InterfaceState::from(state).word(), state.to_string());
        }
    }

    #[test]
    fn reasons_have_the_names_of_their_sets_in_nftables() {
        let names = Reason::ALL.map(|reason| view::DropReason::from(reason).word());
        assert_eq!(names, Reason::ALL.map(Reason::name));
    }
}

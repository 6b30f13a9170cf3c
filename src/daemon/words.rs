//! Converts states of the daemon's parts into the words of the control socket.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_names_of_their_sets_in_nftables() {
        let names = Reason::ALL.map(|reason| view::DropReason::from(reason).word());
        assert_eq!(names, Reason::ALL.map(Reason::name));
    }
}

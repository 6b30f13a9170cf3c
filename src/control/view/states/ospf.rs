//! States and kinds of OSPF, and of what the kernel has of its routes.

use super::words;

words! {
    /// Neighbor state (RFC 2328 §10.1) in the RFC's words; `Full` is the goal.
    NeighborState {
        /// Nothing was received from the neighbour recently.
        Down = "Down",
        /// Hellos are sent to the neighbour, but nothing was received from it recently.
        Attempt = "Attempt",
        /// A hello of the neighbour was received that does not list this router.
        Init = "Init",
        /// Communication is bidirectional.
        TwoWay = "2-Way",
        /// Master and slave are being negotiated.
        ExStart = "ExStart",
        /// Databases are being described.
        Exchange = "Exchange",
        /// Missing LSAs are being requested.
        Loading = "Loading",
        /// Fully adjacent.
        Full = "Full",
    }

    /// State of the BFD session with a neighbour.
    BfdState {
        /// There is none.
        Off = "Off",
        /// It is held down by an operator.
        AdminDown = "AdminDown",
        /// Packets do not pass, or none have been received yet.
        Down = "Down",
        /// The neighbour's packets arrive; whether ours do is not known yet.
        Init = "Init",
        /// Packets pass in both directions.
        Up = "Up",
    }

    /// What a neighbour is where a designated router is elected.
    NeighborRole {
        /// The designated router.
        Designated = "dr",
        /// The backup designated router.
        Backup = "backup",
        /// Neither.
        Other = "other",
    }

    /// Interface state (RFC 2328 §9.1) in the RFC's words.
    InterfaceState {
        /// No packet is sent or received.
        Down = "Down",
        /// The network is advertised, but no packets are exchanged.
        Passive = "Passive",
        /// The router waits to learn whether there is a designated router or backup.
        Waiting = "Waiting",
        /// Operational, on a network without a designated router.
        PointToPoint = "Point-to-point",
        /// Another router is the designated router, and this one is not its backup.
        DrOther = "DROther",
        /// This router is the backup designated router.
        Backup = "Backup",
        /// This router is the designated router.
        Dr = "DR",
    }

    /// Network type of an interface (RFC 2328 §1.2).
    NetworkType {
        /// Neighbours are found by multicast; a designated router is elected.
        Broadcast = "broadcast",
        /// Neighbours are configured; a designated router is elected.
        NonBroadcast = "nbma",
        /// One neighbour.
        PointToPoint = "point-to-point",
        /// Any number of neighbours, each treated as one on a point-to-point link.
        PointToMultipoint = "point-to-multipoint",
        /// A virtual link through another area.
        VirtualLink = "virtual-link",
    }

    /// Authentication of an interface's packets.
    Authentication {
        /// Null authentication.
        None = "none",
        /// Simple password authentication.
        Simple = "simple",
        /// Keyed MD5 (RFC 2328 §D.4.3).
        Md5 = "md5",
        /// HMAC-SHA-1 (RFC 5709).
        HmacSha1 = "hmac-sha-1",
        /// HMAC-SHA-256 (RFC 5709).
        HmacSha256 = "hmac-sha-256",
        /// HMAC-SHA-384 (RFC 5709).
        HmacSha384 = "hmac-sha-384",
        /// HMAC-SHA-512 (RFC 5709).
        HmacSha512 = "hmac-sha-512",
    }

    /// Whether the key that packets are signed with is within its lifetime.
    KeyStanding {
        /// It is.
        Valid = "valid",
        /// No key is valid at present, and this one was the last.
        Expired = "expired",
        /// No key has been valid yet, and this one will be the first.
        Premature = "premature",
    }

    /// OSPF packet type (RFC 2328 §A.3.1), in the alphabetical order of the words, which is that of the keys in JSON.
    #[derive(PartialOrd, Ord)]
    PacketType {
        /// Type 2.
        DatabaseDescription = "database-description",
        /// Type 1.
        Hello = "hello",
        /// Type 5.
        LinkStateAck = "link-state-ack",
        /// Type 3.
        LinkStateRequest = "link-state-request",
        /// Type 4.
        LinkStateUpdate = "link-state-update",
    }

    /// Why a virtual link is down.
    VirtualLinkObstacle {
        /// There is no path to its other end through the transit area.
        NoPath = "no-path",
        /// Its other end has no address in the transit area.
        NoAddress = "no-address",
    }

    /// Kind of an area.
    AreaKind {
        /// All routes are advertised into it.
        Normal = "normal",
        /// Stub area: no AS-external-LSAs.
        Stub = "stub",
        /// Not-so-stubby area (RFC 3101).
        Nssa = "nssa",
    }

    /// Type of the path of a route, or of that to a border router.
    PathType {
        /// To a destination in one of this router's areas.
        IntraArea = "intra-area",
        /// To a destination in another area.
        InterArea = "inter-area",
        /// To a destination outside the AS, with a type 1 metric.
        External1 = "external-1",
        /// To a destination outside the AS, with a type 2 metric.
        External2 = "external-2",
    }

    /// What the kernel has of a route.
    KernelState {
        /// The route.
        Installed = "installed",
        /// The route, but another route or a rule is preferred.
        Overridden = "overridden",
        /// A route that drops packets to destinations without a route of their own.
        Discard = "discard",
        /// A route of its own, since the destination is directly connected.
        Connected = "connected",
        /// The destination is an address of this router.
        Own = "own",
        /// Nothing: a `[[site.import]]` keeps the route out.
        Refused = "refused",
        /// Another route of weft's.
        Different = "different",
        /// Nothing.
        Missing = "missing",
    }

    /// What a limit counts.
    LimitKind {
        /// LSAs of all areas.
        Lsas = "lsas",
        /// Octets of all LSAs.
        LsdbOctets = "lsdb-octets",
        /// LSAs of one area.
        LsasPerArea = "lsas-per-area",
        /// Routes.
        Routes = "routes",
        /// Links of this router's Router-LSA of an area.
        RouterLinks = "router-links",
    }

    /// Whether a limit is reached.
    LimitState {
        /// There is room.
        Free = "free",
        /// More is refused until there is room again.
        Reached = "reached",
        /// More is refused from routers that are no sites.
        ReachedForOthers = "reached-for-others",
    }

    /// State of the SPF delay (RFC 8405).
    SpfState {
        /// QUIET.
        Quiet = "quiet",
        /// SHORT_WAIT.
        ShortWait = "short-wait",
        /// LONG_WAIT.
        LongWait = "long-wait",
    }

    /// Whether this router is a stub router (RFC 6987).
    StubRouterState {
        /// It is none.
        Transit = "transit",
        /// Others send traffic through it only where there is no other way.
        Stub = "stub",
    }

    /// Why a next hop of a route has no alternate: the nearest reason, of all neighbours.
    Unprotected {
        /// Alternates have not been calculated yet.
        Pending = "pending",
        /// The mesh file switches alternates off.
        Off = "off",
        /// This router has no other neighbour in the area.
        NoOtherNeighbor = "no-other-neighbor",
        /// Every other link has cost 65535 in one direction.
        MaxLinkMetric = "max-link-metric",
        /// No other neighbour is known to have a path.
        NoOtherPath = "no-other-path",
        /// Every other neighbour that has a path may send packets back to this router.
        NotLoopFree = "not-loop-free",
        /// Every neighbour that sends no packets back may send them by what fails.
        SameFate = "same-fate",
        /// Other paths end at routers that are not accepted as origin of the destination.
        Refused = "refused",
        /// There are virtual links in the area.
        VirtualLinks = "virtual-links",
        /// The next hop is in another area than the route.
        OtherArea = "other-area",
    }
}

impl NetworkType {
    /// Whether a designated router is elected.
    pub const fn elects(self) -> bool {
        matches!(self, Self::Broadcast | Self::NonBroadcast)
    }
}

impl KernelState {
    /// Whether it means that something is wrong. A word that this version does not know does not.
    pub const fn is_wrong(self) -> bool {
        matches!(self, Self::Overridden | Self::Different | Self::Missing)
    }
}

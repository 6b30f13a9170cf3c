//! Conversions between weft's words and those of the OSPFv2 engine, which knows IPv4 alone.

use super::Prefix;

impl From<ospf::Prefix> for Prefix {
    fn from(prefix: ospf::Prefix) -> Self {
        Self::new(prefix.network(), prefix.len())
    }
}

impl Prefix {
    /// Returns the network in the type of the OSPFv2 engine; `None` for an IPv6 one.
    pub fn ospf(self) -> Option<ospf::Prefix> {
        self.v4().map(|(network, len)| ospf::Prefix::new(network, len))
    }
}

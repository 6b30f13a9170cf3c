//! Interfaces (§9), their hellos (§10.5), and the packets that are sent and received on them (§8).

pub(crate) mod hello;
pub(crate) mod machinery;
pub(crate) mod nonbroadcast;
pub(crate) mod path;
pub(crate) mod receive;
pub(crate) mod second_speaker;
pub(crate) mod send;
pub(crate) mod virtual_link;

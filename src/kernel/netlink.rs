//! Requests and dumps over one NETLINK_ROUTE socket.

use std::io;

use anyhow::Context;
use futures::{Stream, StreamExt};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;

/// A dump that keeps being overtaken by changes is taken as it is after this many tries; the changes are announced to
/// the watch anyway.
const DUMP_TRIES: usize = 4;

/// A handle to the socket's task. Cheap to clone; requests of all clones are pipelined.
#[derive(Clone)]
pub(super) struct Netlink(rtnetlink::Handle);

impl Netlink {
    /// Opens a socket in the network namespace of this thread, served by a task of the present runtime. Dumps honour
    /// the filters in their requests (NETLINK_GET_STRICT_CHK). Also returns the socket's port, by which the kernel names
    /// the author of a change.
    pub fn open() -> anyhow::Result<(Self, u32)> {
        let (mut connection, handle, _) =
            rtnetlink::new_connection_with_strict_check().context("opening a netlink socket")?;
        let address = connection.socket_mut().socket_mut().bind_auto().context("binding the netlink socket")?;
        tokio::spawn(connection);
        Ok((Self(handle), address.port_number()))
    }

    /// One change. The kernel's refusal is the error.
    pub async fn change(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut replies = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        match replies.next().await {
            // An acknowledgement ends the stream without a message.
            None => Ok(()),
            Some(reply) => match reply.payload {
                NetlinkPayload::Error(error) => Err(error.to_io()),
                other => Err(io::Error::other(format!("the kernel answers a change with {other:?}"))),
            },
        }
    }

    /// The one thing asked for.
    pub async fn get(&self, request: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        let mut replies = self.send(request, NLM_F_REQUEST)?;
        match replies.next().await.map(|reply| reply.payload) {
            Some(NetlinkPayload::InnerMessage(message)) => Ok(message),
            Some(NetlinkPayload::Error(error)) => Err(error.to_io()),
            other => Err(io::Error::other(format!("the kernel answers a question with {other:?}"))),
        }
    }

    /// All that match the request, in the kernel's order.
    pub async fn dump(&self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut tries = 1;
        loop {
            let (found, whole) = self.dump_once(request.clone()).await?;
            if whole || tries == DUMP_TRIES {
                return Ok(found);
            }
            tries += 1;
        }
    }

    /// The dump, and whether nothing changed meanwhile.
    async fn dump_once(&self, request: RouteNetlinkMessage) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut replies = self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut found = Vec::new();
        let mut whole = true;
        while let Some(reply) = replies.next().await {
            whole &= reply.header.flags & NLM_F_DUMP_INTR == 0;
            match reply.payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::Overrun(_) => whole = false,
                _ => {}
            }
        }
        Ok((found, whole))
    }

    fn send(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + use<>> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        let closed = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the netlink socket's task has ended");
        self.0.clone().request(request).map_err(closed)
    }
}

/// Takes an error of this number for success: what was to be done had been done already.
pub(super) fn unless(result: io::Result<()>, done_already: i32) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(done_already) => Ok(()),
        other => other,
    }
}

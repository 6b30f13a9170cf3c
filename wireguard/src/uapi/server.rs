//! Serves one client of a UAPI socket, until the client disconnects, is idle for too long, does not read its answers, or sends a request
//! that is too long.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::request::{Request, parse};
use super::response;
use crate::clients::Place;
use crate::device::Device;

/// Longest request in bytes: enough for about 50 000 AllowedIPs.
const MAX_REQUEST: usize = 2 << 20;

/// Initial size of the buffer in bytes: enough for most requests.
const FIRST_BUFFER: usize = 4096;

/// A client that sends no request within this time is disconnected.
const IDLE: Duration = Duration::from_secs(30);

/// Answers the requests of `client` until it disconnects or is disconnected.
pub(crate) async fn serve(device: &Device, mut client: UnixStream, place: &Place) -> io::Result<()> {
    let mut buffer = Buffer::new();
    while let Ok(Some(request)) = timeout(IDLE, place.receive(buffer.next_request(&mut client))).await {
        let Some(request) = request? else { break };
        let answer = answer(device, &request).await;
        // The keys were in stack frames that are free again.
        crate::stack::wipe();
        place.answer(&mut client, answer.as_bytes()).await?;
    }
    Ok(())
}

async fn answer(device: &Device, request: &[u8]) -> Zeroizing<String> {
    let outcome = match parse(request) {
        Ok(Request::Get) => return response::state(&device.state().await),
        Ok(Request::Set(update)) => device.apply(update).await.map_err(errno),
        Err(errno) => Err(errno),
    };
    if let Err(errno) = outcome {
        tracing::debug!(%errno, "request refused");
    }
    Zeroizing::new(response::outcome(outcome))
}

fn errno(error: io::Error) -> Errno {
    tracing::warn!(%error, "applying a configuration");
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Bytes received from a client and not yet answered. They may hold a private key: every buffer is zeroed when it is dropped.
struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: Zeroizing::new(vec![0; FIRST_BUFFER]), filled: 0 }
    }

    /// Reads the next request, without the empty line that ends it; `None` at the end of the stream.
    async fn next_request(&mut self, client: &mut UnixStream) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        loop {
            if let Some(request) = self.take_request() {
                return Ok(Some(request));
            }
            if self.filled == self.bytes.len() {
                self.grow()?;
            }
            match client.read(&mut self.bytes[self.filled..]).await? {
                0 => return Ok(None),
                read => self.filled += read,
            }
        }
    }

    fn take_request(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let filled = &self.bytes[..self.filled];
        let end = filled.windows(2).position(|pair| pair == b"\n\n")?;
        let request = Zeroizing::new(filled[..=end].to_vec());
        self.bytes.copy_within(end + 2..self.filled, 0);
        self.filled -= end + 2;
        Some(request)
    }

    fn grow(&mut self) -> io::Result<()> {
        if self.bytes.len() >= MAX_REQUEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a request longer than {MAX_REQUEST} bytes"),
            ));
        }
        let mut larger = Zeroizing::new(vec![0; 2 * self.bytes.len()]);
        larger[..self.filled].copy_from_slice(&self.bytes[..self.filled]);
        self.bytes = larger;
        Ok(())
    }
}

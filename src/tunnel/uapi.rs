//! A client of the UAPI, the text protocol of userspace WireGuard (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! wireguard-control waits for ever if a device does not answer, in a thread that cannot be ended. Here a caller that stops waiting closes
//! the connection, and nothing remains. Buffers that may hold a key are zeroed.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ipnetwork::IpNetwork;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::keys::{KeyDigest, PrivateKey, PublicKey};
use crate::net::IfName;

/// Directories of the UAPI sockets; the first that exists is used.
const DIRECTORIES: [&str; 2] = ["/var/run/wireguard", "/run/wireguard"];
/// Longest answer in octets: a device with thousands of peers is not one of weft's.
const MAX_ANSWER: usize = 4 << 20;
/// Octets of the first buffer: enough for a device with one peer.
const FIRST_BUFFER: usize = 4096;

/// A key, 32 octets.
type KeyBytes = Zeroizing<[u8; 32]>;

/// The configuration that a device reports. Of its key pair only the public key is kept: moving a private key leaves copies on the stack.
#[derive(Debug, Default)]
pub struct Found {
    /// `None` while it has no private key.
    pub identity: Option<PublicKey>,
    pub listen_port: u16,
    pub fwmark: u32,
    pub peers: Vec<FoundPeer>,
}

/// A peer of the device.
#[derive(Debug)]
pub struct FoundPeer {
    pub public_key: [u8; 32],
    pub endpoint: Option<SocketAddr>,
    pub keepalive_s: u16,
    pub last_handshake: Option<SystemTime>,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub allowed_ips: Vec<IpNetwork>,
    pub preshared: Option<KeyDigest>,
}

/// A connection to a device.
#[derive(Debug)]
pub struct Uapi(UnixStream);

impl Uapi {
    /// Connects to the device of `interface`; `None` if no process serves it. Does not wait.
    pub async fn connect(interface: &IfName) -> io::Result<Option<Self>> {
        let Some(path) = socket_of(interface) else { return Ok(None) };
        Self::open(&path).await
    }

    async fn open(path: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the device.
    pub async fn get(mut self) -> io::Result<Found> {
        self.0.write_all(b"get=1\n\n").await?;
        let answer = self.answer().await?;
        let found = parse(&answer);
        // Reading the key left copies in stack frames that are free again.
        wireguard::stack::wipe();
        found
    }

    /// Writes to the device. `lines` is everything after `set=1`.
    pub async fn set(mut self, lines: &str) -> io::Result<()> {
        self.0.write_all(b"set=1\n").await?;
        self.0.write_all(lines.as_bytes()).await?;
        self.0.write_all(b"\n").await?;
        let answer = self.answer().await?;
        parse(&answer).map(drop)
    }

    /// Reads an answer up to the empty line that ends it.
    async fn answer(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; FIRST_BUFFER]);
        let mut filled = 0;
        loop {
            if bytes[..filled].ends_with(b"\n\n") {
                bytes.truncate(filled);
                return Ok(bytes);
            }
            if filled == bytes.len() {
                if filled >= MAX_ANSWER {
                    return Err(invalid("an answer that does not end"));
                }
                let mut larger = Zeroizing::new(vec![0; 2 * filled]);
                larger[..filled].copy_from_slice(&bytes);
                bytes = larger;
            }
            match self.0.read(&mut bytes[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
    }
}

/// The path of the socket by which a process serves `interface`.
fn socket_of(interface: &IfName) -> Option<PathBuf> {
    let directory = DIRECTORIES.iter().map(Path::new).find(|directory| directory.exists())?;
    Some(directory.join(format!("{interface}.sock")))
}

fn parse(answer: &[u8]) -> io::Result<Found> {
    let text = std::str::from_utf8(answer).map_err(|_| invalid("an answer that is no text"))?;
    let mut found = Found::default();
    let mut handshake = Duration::ZERO;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once('=').ok_or_else(|| invalid("a line without a value"))?;
        match (key, found.peers.last_mut()) {
            ("errno", _) => match number::<i32>(value)? {
                0 => {}
                // `wg` expects it to be negative; some devices send it so, some do not.
                errno => return Err(io::Error::from_raw_os_error(errno.saturating_abs())),
            },
            ("public_key", _) => {
                handshake = Duration::ZERO;
                found.peers.push(FoundPeer::new(*key_bytes(value)?));
            }
            ("private_key", None) => found.identity = public_half(&*key_bytes(value)?),
            ("listen_port", None) => found.listen_port = number(value)?,
            ("fwmark", None) => found.fwmark = number(value)?,
            ("preshared_key", Some(peer)) => peer.preshared = digest(&*key_bytes(value)?),
            ("endpoint", Some(peer)) => peer.endpoint = Some(value.parse().map_err(|_| invalid(key))?),
            ("persistent_keepalive_interval", Some(peer)) => peer.keepalive_s = number(value)?,
            ("rx_bytes", Some(peer)) => peer.rx_bytes = number(value)?,
            ("tx_bytes", Some(peer)) => peer.tx_bytes = number(value)?,
            ("last_handshake_time_sec", Some(peer)) => {
                handshake += Duration::from_secs(number(value)?);
                peer.note_handshake(handshake);
            }
            ("last_handshake_time_nsec", Some(peer)) => {
                handshake += Duration::from_nanos(number(value)?);
                peer.note_handshake(handshake);
            }
            ("allowed_ip", Some(peer)) => peer.allowed_ips.push(value.parse().map_err(|_| invalid(key))?),
            // Keys that later versions of the protocol may add.
            _ => {}
        }
    }
    Ok(found)
}

impl FoundPeer {
    fn new(public_key: [u8; 32]) -> Self {
        Self {
            public_key,
            endpoint: None,
            keepalive_s: 0,
            last_handshake: None,
            rx_bytes: 0,
            tx_bytes: 0,
            allowed_ips: Vec::new(),
            preshared: None,
        }
    }

    /// Notes the time of the last handshake; zero = there was none.
    fn note_handshake(&mut self, since_1970: Duration) {
        self.last_handshake = (!since_1970.is_zero()).then(|| SystemTime::UNIX_EPOCH.checked_add(since_1970)).flatten();
    }
}

/// The public key of `private_key`; `None` for the key of zeros, which means that there is no key.
pub fn public_half(private_key: &[u8; 32]) -> Option<PublicKey> {
    (*private_key != [0; 32]).then(|| PrivateKey::from_bytes(private_key).public())
}

/// The digest that identifies a preshared key; `None` for the key of zeros, which means that there is no key.
pub fn digest(preshared_key: &[u8; 32]) -> Option<KeyDigest> {
    (*preshared_key != [0; 32]).then(|| KeyDigest::of(preshared_key))
}

fn number<T: std::str::FromStr>(value: &str) -> io::Result<T> {
    value.parse().map_err(|_| invalid("a number out of range"))
}

fn key_bytes(value: &str) -> io::Result<KeyBytes> {
    let digits = value.as_bytes();
    let mut key = KeyBytes::new([0; 32]);
    if digits.len() != 2 * key.len() {
        return Err(invalid("a key that is not of 32 octets"));
    }
    for (octet, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(key)
}

fn hex_digit(digit: u8) -> io::Result<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or_else(|| invalid("a key with other digits"))
}

/// An error that never contains what was read, because that may be a key.
fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the WireGuard device answers with {what}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn an_answer_is_read_line_by_line() {
        let text = format!(
            "private_key={}\nlisten_port=12912\nfwmark=201\npublic_key={}\nendpoint=[2001:db8::1]:51820\n\
             last_handshake_time_sec=7\nlast_handshake_time_nsec=8\ntx_bytes=1\nrx_bytes=2\n\
             persistent_keepalive_interval=25\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\npublic_key={}\n\
             last_handshake_time_sec=0\nsomething_new=1\nerrno=0\n\n",
            "e8".repeat(32),
            "b8".repeat(32),
            "A9".repeat(32)
        );
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!(found.identity, Some(PrivateKey::from_bytes(&[0xe8; 32]).public()));
        assert_eq!((found.listen_port, found.fwmark), (12912, 201));
        let [one, other] = &found.peers[..] else { panic!("{:?}", found.peers) };
        assert_eq!((one.public_key, one.rx_bytes, one.tx_bytes, one.keepalive_s), ([0xb8; 32], 2, 1, 25));
        assert_eq!(one.endpoint, "[2001:db8::1]:51820".parse().ok());
        assert_eq!(one.last_handshake, SystemTime::UNIX_EPOCH.checked_add(Duration::new(7, 8)));
        assert_eq!(one.allowed_ips.len(), 2);
        assert_eq!((other.public_key, other.last_handshake), ([0xa9; 32], None));
    }

    #[test]
    fn a_key_of_zeros_is_none() {
        let text = |digits: &str| format!("private_key={}\nerrno=0\n\n", digits.repeat(32));
        assert_eq!(parse(text("00").as_bytes()).unwrap().identity, None);
        assert!(parse(text("01").as_bytes()).unwrap().identity.is_some());
        assert_eq!(parse(b"errno=0\n\n").unwrap().identity, None);
    }

    #[test]
    fn a_refusal_is_its_error_and_nonsense_never_repeats_what_was_read() {
        assert_eq!(parse(b"errno=-98\n\n").unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(parse(b"errno=22\n\n").unwrap_err().raw_os_error(), Some(libc::EINVAL));
        for bad in ["private_key=secret\n\n", "secret\n\n", "listen_port=secret\n\n", "errno=secret\n\n"] {
            assert!(!parse(bad.as_bytes()).unwrap_err().to_string().contains("secret"), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_does_not_answer_is_given_up_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wg-hung.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let device = Uapi::open(&path).await.unwrap().expect("somebody listens");
        assert!(timeout(Duration::from_secs(1), device.get()).await.is_err());
        let (mut hung, _) = listener.accept().await.unwrap();
        let mut rest = Vec::new();
        hung.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"get=1\n\n", "the connection is closed");
    }

    #[tokio::test]
    async fn nobody_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wg-none.sock");
        assert!(Uapi::open(&path).await.unwrap().is_none());
        drop(UnixListener::bind(&path).unwrap());
        assert!(Uapi::open(&path).await.unwrap().is_none(), "a name that somebody left");
    }
}

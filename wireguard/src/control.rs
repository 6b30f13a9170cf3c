//! The control protocol between the daemon and a running engine: one JSON object per line over a Unix socket.
//!
//! ```text
//! → {"command":"add","interface":"wg-osaka"}
//! ← {"result":"ok"}
//! → {"command":"list"}
//! ← {"result":"engine","protocol":1,"version":"0.1.0","pid":4711,"interfaces":["wg-osaka"]}
//! → {"command":"add","interface":"eth0"}
//! ← {"result":"error","text":"making TUN device eth0 (an interface of another kind has the name): Invalid argument (os error 22)"}
//! → {"command":"stop"}
//! (end of the stream: every interface and the socket's name are gone)
//! ```
//! Every command may be repeated without harm.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::InterfaceName;
use crate::clients::Place;

/// Version of the protocol. It is raised when an older client and the engine would misunderstand each other.
pub const PROTOCOL: u32 = 1;

/// Longest line in bytes: enough for the list of all interfaces that an engine may have.
const MAX_LINE: u64 = 256 << 10;

/// A command from the daemon: one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a TUN device of this name and serves it. Succeeds if the engine already serves it.
    Add {
        /// Name of the interface.
        interface: InterfaceName,
    },
    /// Closes an interface: the device disappears. Succeeds if the engine does not have it.
    Remove {
        /// Name of the interface.
        interface: InterfaceName,
    },
    /// Serves an interface under another name; the caller renames the interface itself. Earlier versions do not know this command.
    Rename {
        /// Present name of the interface.
        interface: InterfaceName,
        /// New name of the interface.
        to: InterfaceName,
    },
    /// Asks for [`EngineInfo`]: the engine's identity and its interfaces.
    List,
    /// Closes all interfaces and exits. The answer is the end of the stream.
    Stop,
}

/// An answer from the engine: one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reply {
    /// The command was carried out.
    Ok,
    /// The command failed.
    Error {
        /// The reason, for a human.
        text: String,
    },
    /// The answer to [`Command::List`].
    Engine(EngineInfo),
}

/// Identity and interfaces of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// The engine's [`PROTOCOL`].
    pub protocol: u32,
    /// The engine's release.
    pub version: String,
    /// The engine's process id.
    pub pid: u32,
    /// The interfaces that the engine serves, ordered by name.
    pub interfaces: Vec<InterfaceName>,
    /// What the engine's log has lost; `None` if lines can be written, or if the engine's version does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_lines: Option<LostLines>,
}

/// Log lines that could not be written since the last one that could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostLines {
    /// Number of lines.
    pub lines: u64,
    /// The system's error at the last attempt.
    pub cause: String,
}

/// A connection to a running engine.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the engine at `path`; `NotFound` and `ConnectionRefused` mean that no engine runs.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self::new(UnixStream::connect(path).await?))
    }

    /// Uses a connection that is already established.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends `command` and waits for the answer. Fails with `InvalidData` if the answer does not parse, and with `UnexpectedEof` if the
    /// engine ends.
    pub async fn request(&mut self, command: &Command) -> io::Result<Reply> {
        self.stream.get_mut().write_all(&line(command)).await?;
        let reply = read_line(&mut self.stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        reply.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Stops the engine and waits until its interfaces are gone.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&line(&Command::Stop)).await?;
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest).await {
            // If the engine died meanwhile, its interfaces are gone as well.
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(()),
        }
    }
}

/// A command, and the channel for its reply.
pub(crate) type Request = (Command, oneshot::Sender<Reply>);

/// Serves one client of the control socket: passes its commands to the engine, and the replies back.
pub(crate) async fn serve(client: UnixStream, engine: mpsc::Sender<Request>, place: &Place) -> io::Result<()> {
    let mut stream = BufReader::new(client);
    while let Some(command) = place.receive(read_line(&mut stream)).await {
        let Some(command) = command? else { break };
        let reply = match command {
            Ok(command) => {
                let (reply, answered) = oneshot::channel();
                if engine.send((command, reply)).await.is_err() {
                    return Ok(());
                }
                match answered.await {
                    Ok(reply) => reply,
                    Err(_stopped) => return Ok(()),
                }
            }
            Err(error) => Reply::Error { text: format!("not understood: {error}") },
        };
        place.answer(stream.get_mut(), &line(&reply)).await?;
    }
    Ok(())
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("commands and replies are plain data");
    line.push(b'\n');
    line
}

/// Reads one line. Returns `None` at the end of the stream; the inner error is a line that does not parse.
async fn read_line<T: DeserializeOwned>(
    stream: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<serde_json::Result<T>>> {
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line))),
        Some(_) if line.len() as u64 == MAX_LINE => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line longer than {MAX_LINE} bytes")))
        }
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_the_documentation_shows() {
        let name = InterfaceName::new("wg-osaka").unwrap();
        assert_eq!(
            line(&Command::Add { interface: name.clone() }),
            b"{\"command\":\"add\",\"interface\":\"wg-osaka\"}\n"
        );
        assert_eq!(line(&Command::Stop), b"{\"command\":\"stop\"}\n");
        assert_eq!(line(&Reply::Ok), b"{\"result\":\"ok\"}\n");
        // An engine without `lost_lines` is one of an earlier version, or one whose log is in order.
        let info =
            EngineInfo { protocol: 1, version: "0.1.0".into(), pid: 4711, interfaces: vec![name], lost_lines: None };
        let lost_lines = Some(LostLines { lines: 3, cause: "No space left on device (os error 28)".into() });
        let losing = EngineInfo { lost_lines, ..info.clone() };
        let shown =
            "{\"result\":\"engine\",\"protocol\":1,\"version\":\"0.1.0\",\"pid\":4711,\"interfaces\":[\"wg-osaka\"]";
        let lost = ",\"lost_lines\":{\"lines\":3,\"cause\":\"No space left on device (os error 28)\"}";
        for (info, rest) in [(info, ""), (losing, lost)] {
            let text = format!("{shown}{rest}}}\n");
            assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), Reply::Engine(info.clone()));
            assert_eq!(String::from_utf8(line(&Reply::Engine(info))).unwrap(), text);
        }
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_no_command() {
        for name in ["../x", "", "a-name-that-is-too-long", "a b", ".."] {
            let text = serde_json::json!({"command": "add", "interface": name}).to_string();
            assert!(serde_json::from_str::<Command>(&text).is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_the_next_command_heard() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (sender, mut requests) = mpsc::channel(1);
        let server = tokio::spawn(async move { serve(theirs, sender, &Place::default()).await });
        let mut client = Client { stream: BufReader::new(ours) };
        client.stream.get_mut().write_all(b"{\"command\":\"dance\"}\n").await.unwrap();
        let refusal: Reply = read_line(&mut client.stream).await.unwrap().unwrap().unwrap();
        assert!(matches!(refusal, Reply::Error { text } if text.starts_with("not understood")));

        let engine = tokio::spawn(async move {
            let (command, reply) = requests.recv().await.unwrap();
            assert_eq!(command, Command::List);
            reply.send(Reply::Ok).unwrap();
            let (command, reply) = requests.recv().await.unwrap();
            assert_eq!(command, Command::Stop);
            drop(reply);
        });
        assert_eq!(client.request(&Command::List).await.unwrap(), Reply::Ok);
        client.stop().await.unwrap();
        engine.await.unwrap();
        server.await.unwrap().unwrap();
    }
}

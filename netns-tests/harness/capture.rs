//! Packets on an interface, recorded by `tcpdump` and judged by `tshark`: another implementation's opinion of ours.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::netns::inside;
use super::process::{Background, command, output_of};
use super::wait::eventually;

/// What tshark says of a multicast packet with another TTL than 1, which RFC 5082 asks for.
const TTL_NOT_1: &str = "!= 1 for a packet sent to the Local Network Control Block";

/// Where packets were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Multicast packets have TTL 1 there.
    Lan,
    /// weft's packets have TTL 255 there.
    Tunnel,
}

/// tshark's word for a good checksum in `ip.checksum.status`.
const GOOD: &str = "1";

/// AuType of packets that carry a digest and no checksum (RFC 2328 §D.4.3).
const CRYPTOGRAPHIC: &str = "2";

/// Octets of a packet that are recorded: no packet of the tests that is judged is longer.
const LONGEST: usize = 9216;

/// KiB of the kernel's buffer, room for some 7,000 packets. It is divided into slots of the longest packet, so that tcpdump's own
/// defaults (2 MiB, 256 KiB) make eight of them on an interface without a link layer, and a ninth packet at once is lost.
const BUFFER: usize = 64 << 10;

/// A recording that goes on until it is finished.
pub struct Capture {
    tcpdump: Background,
    file: PathBuf,
    _dir: TempDir,
}

/// What tshark says about one OSPF packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OspfPacket {
    /// Number in the recording, for error texts.
    pub frame: String,
    /// Router ID of its header.
    pub router_id: Ipv4Addr,
    /// Area ID of its header.
    pub area: Ipv4Addr,
    /// AuType of its header.
    pub auth_type: u8,
    /// Key ID, if it has a digest.
    pub key_id: Option<u8>,
    /// OSPF packet type, 1 = Hello … 5 = LSAck.
    pub kind: u8,
    /// LS types of the LSAs or headers in it.
    pub ls_types: Vec<String>,
}

impl Capture {
    /// Starts recording `interface` of namespace `netns`; returns when tcpdump listens.
    pub fn start(netns: &str, interface: &str, filter: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("capture.pcap");
        let line = format!(
            "tcpdump -n -U --immediate-mode -s {LONGEST} -B {BUFFER} -Z root -i {interface} -w {} {filter}",
            file.display()
        );
        let tcpdump = Background::start("tcpdump", inside(netns, &line), dir.path())?;
        let mut capture = Self { tcpdump, file, _dir: dir };
        eventually("tcpdump to listen", Duration::from_secs(10), || {
            capture.tcpdump.alive()?;
            Ok(capture.tcpdump.output()?.contains("listening on").then_some(()))
        })?;
        Ok(capture)
    }

    /// Waits until OSPF packets of all five types are recorded: acknowledgments may come a second after the rest.
    pub fn await_all_types(&self, within: Duration) -> Result<()> {
        eventually("OSPF packets of all five types", within, || {
            let types = output_of(self.tshark().args(["-T", "fields", "-e", "ospf.msg"]))?;
            let missing: Vec<u8> = (1..=5).filter(|kind| !types.lines().any(|line| line == kind.to_string())).collect();
            ensure!(missing.is_empty(), "no packet of the types {missing:?} among {}", types.lines().count());
            Ok(Some(()))
        })
    }

    /// Ends the recording and returns its OSPF packets. An error if tshark finds one malformed, has anything to say about
    /// it, or does not call every IP and OSPF checksum good. Packets with a digest have no OSPF checksum. On a `link` that is a tunnel
    /// tshark has to complain of a TTL that is not 1, and that TTL is 255.
    pub fn finish_ospf(&mut self, link: Link) -> Result<Vec<OspfPacket>> {
        self.end()?;
        let fields = [
            "frame.number",
            "ospf.srcrouter",
            "ospf.area_id",
            "ospf.auth.crypt.key_id",
            "ospf.msg",
            "ospf.lsa",
            "ospf.auth.type",
            "ip.checksum.status",
            "ip.ttl",
            "_ws.malformed",
            "_ws.expert.message",
        ];
        let mut table = self.tshark();
        table.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
        for field in fields {
            table.args(["-e", field]);
        }
        let mut packets = Vec::new();
        let mut with_checksum = Vec::new();
        for line in output_of(&mut table)?.lines() {
            let row: Vec<&str> = line.split('\t').collect();
            let [frame, router_id, area, key_id, kind, ls_types, auth, ip_checksum, ttl, malformed, expert] = row[..]
            else {
                bail!("tshark gave {} fields: {row:?}", row.len());
            };
            ensure!(ip_checksum == GOOD, "frame {frame}: bad IP checksum: {row:?}");
            let is_good = match link {
                Link::Lan => expert.is_empty(),
                Link::Tunnel => ttl == "255" && (expert.is_empty() || expert.contains(TTL_NOT_1)),
            };
            ensure!(malformed.is_empty() && is_good, "frame {frame}: tshark complains: {row:?}");
            if auth != CRYPTOGRAPHIC {
                with_checksum.push(frame.to_owned());
            }
            packets.push(OspfPacket {
                frame: frame.to_owned(),
                router_id: router_id.parse().with_context(|| format!("frame {frame}: Router ID in {row:?}"))?,
                area: area.parse().with_context(|| format!("frame {frame}: Area ID in {row:?}"))?,
                auth_type: auth.parse().with_context(|| format!("frame {frame}: AuType in {row:?}"))?,
                key_id: key_id.parse().ok(),
                kind: kind.parse().with_context(|| format!("frame {frame}: packet type in {row:?}"))?,
                ls_types: ls_types.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
            });
        }
        // The verdict on OSPF's checksum is no field, only words in the packet's description.
        let described = output_of(self.tshark().arg("-V"))?;
        let good = |text: &&str| {
            text.lines().any(|line| line.trim_start().starts_with("Checksum:") && line.contains("[correct]"))
        };
        let of_frames = described.split("\nFrame ").map(|text| text.trim_start_matches("Frame "));
        let good: BTreeSet<&str> = of_frames.clone().filter(good).filter_map(|text| text.split(':').next()).collect();
        if let Some(frame) = with_checksum.iter().find(|frame| !good.contains(frame.as_str())) {
            let text = of_frames.clone().find(|text| text.starts_with(&format!("{frame}:"))).unwrap_or_default();
            bail!("{} OSPF packets with a checksum, {} good ones, not frame {text}", with_checksum.len(), good.len());
        }
        Ok(packets)
    }

    /// Copies what is recorded so far to the file at `path`.
    pub fn keep(&self, path: &Path) -> Result<()> {
        fs::copy(&self.file, path).with_context(|| format!("copying a recording to {path:?}")).map(drop)
    }

    /// How many packets recorded so far tshark's display filter takes. Each packet is judged by itself: random octets of a transfer that
    /// look like the head of a long message made tshark put all that followed together again, and copy it anew with each packet, for
    /// minutes.
    pub fn count(&self, filter: &str) -> Result<usize> {
        let mut tshark = command("tshark -n -o tcp.desegment_tcp_streams:FALSE -r");
        tshark.arg(&self.file).args(["-Y", filter]);
        Ok(output_of(&mut tshark)?.lines().count())
    }

    /// Ends the recording; how many packets the filter takes.
    pub fn finish_count(mut self, filter: &str) -> Result<usize> {
        self.end()?;
        self.count(filter)
    }

    /// Ends the recording. An error if the kernel had packets that tcpdump did not get.
    fn end(&mut self) -> Result<()> {
        self.tcpdump.end_with(Signal::SIGINT)?;
        let said = self.tcpdump.output()?;
        ensure!(said.contains("\n0 packets dropped by kernel"), "the recording is not whole: {said}");
        Ok(())
    }

    fn tshark(&self) -> Command {
        let mut tshark = command("tshark -n -o ip.check_checksum:TRUE -Y ospf -r");
        tshark.arg(&self.file);
        tshark
    }
}

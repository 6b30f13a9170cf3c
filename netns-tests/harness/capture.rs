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
        for frame in with_checksum.iter().filter(|frame| !good.contains(frame.as_str())) {
            let text = of_frames.clone().find(|text| text.starts_with(&format!("{frame}:"))).unwrap_or_default();
            // One packet of 65,535 has this checksum, which tshark takes for none.
            let is_zero = text.lines().any(|line| line.trim_start().starts_with("Checksum: 0x0000 (None)"));
            if !(is_zero && sums_up(ospf(&self.octets(frame)?, link)?)) {
                bail!(
                    "{} OSPF packets with a checksum, {} good ones, not frame {text}",
                    with_checksum.len(),
                    good.len()
                );
            }
        }
        Ok(packets)
    }

    /// The octets of a frame, from its link layer on.
    fn octets(&self, frame: &str) -> Result<Vec<u8>> {
        let dump = output_of(self.tshark().args(["-x", "-Y", &format!("frame.number == {frame}")]))?;
        let mut octets = Vec::new();
        // Lines such as `0010  c0 00 01  ...`: where they begin, up to sixteen octets, the same as text.
        for line in dump.lines().filter_map(|line| line.split("  ").nth(1)) {
            for octet in line.split(' ') {
                octets.push(u8::from_str_radix(octet, 16).with_context(|| format!("frame {frame}: {line:?}"))?);
            }
        }
        Ok(octets)
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

/// The OSPF packet in a frame.
fn ospf(frame: &[u8], link: Link) -> Result<&[u8]> {
    const ETHERNET: usize = 14;
    let begin = match link {
        Link::Lan => ETHERNET,
        Link::Tunnel => 0,
    };
    let packet = frame.get(begin..).context("a frame without an IP packet")?;
    let header = 4 * usize::from(packet.first().context("an empty IP packet")? & 0xf);
    let packet = packet.get(header..).context("an IP packet without payload")?;
    let length = packet.get(2..4).context("an OSPF packet without a header")?;
    packet.get(..usize::from(u16::from_be_bytes([length[0], length[1]]))).context("an OSPF packet that is cut off")
}

/// Whether the checksum of an OSPF packet is right: with it, and without the octets of Authentication, the sum is all ones (RFC 2328
/// §D.4.1, RFC 1071 §1).
fn sums_up(packet: &[u8]) -> bool {
    const AUTHENTICATION: std::ops::Range<usize> = 16..24;
    let words = packet.chunks(2).enumerate().filter(|(word, _)| !AUTHENTICATION.contains(&(2 * word)));
    let sum: u32 = words.map(|(_, word)| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16) == 0xffff
}

#[cfg(test)]
mod tests {
    /// An acknowledgment that BIRD sent.
    #[test]
    fn a_checksum_may_be_zero() {
        // Here, because benchmarks have this file without its tests.
        use super::{Link, ospf, sums_up};
        const FRAME: &str = "de ec 3f 91 e8 ea 3e d4 88 80 84 6b 08 00 45 c0 \
                             00 40 7c e4 00 00 01 59 25 be 0a 00 01 03 0a 00 \
                             01 01 02 05 00 2c 0a ff 00 03 00 00 00 00 00 00 \
                             00 00 00 00 00 00 00 00 00 00 00 02 42 01 0a ff \
                             00 03 0a ff 00 03 80 00 00 0f 1a 86 00 30";
        let octets = FRAME.split(' ').map(|octet| u8::from_str_radix(octet, 16));
        let frame = octets.collect::<Result<Vec<u8>, _>>().unwrap();
        assert!(sums_up(ospf(&frame, Link::Lan).unwrap()));
        let packet = &frame[14..];
        assert!(sums_up(ospf(packet, Link::Tunnel).unwrap()));
        for place in (14 + 20..frame.len()).filter(|place| !(14 + 20 + 16..14 + 20 + 24).contains(place)) {
            let mut changed = frame.clone();
            changed[place] ^= 4;
            assert!(!ospf(&changed, Link::Lan).is_ok_and(sums_up), "octet {place}");
        }
    }
}

//! Where hosts have moved, in the state directory: it outlives the daemon and, at best, the machine's reboot.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use vxlan::{Claim, Mac, Record, Vni, Vtep};

use super::state_dir;

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct HostMemory {
    path: PathBuf,
    written: Vec<Line>,
}

/// One claim in force, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    vni: u32,
    mac: String,
    /// Versions before the epoch leave it out.
    #[serde(default)]
    epoch: u16,
    sequence: u32,
    home: Ipv4Addr,
    location: Ipv4Addr,
    author: Ipv4Addr,
    since_unix_s: u64,
}

impl HostMemory {
    /// What an earlier run has left in `state_dir`; nothing if there was none.
    pub(super) fn open(state_dir: &Path) -> anyhow::Result<Self> {
        let path = state_dir.join("hosts.json");
        let written = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("reading {}: remove it to have hosts where the mesh file says", path.display())
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        Ok(Self { path, written })
    }

    /// What is known of a segment. A line that makes no sense is as good as none.
    pub(super) fn records(&self, vni: Vni) -> impl Iterator<Item = Record> {
        self.written.iter().filter(move |line| line.vni == vni.value()).filter_map(Line::record)
    }

    /// Remembers `records` and nothing else.
    pub(super) fn keep<'a>(&mut self, records: impl Iterator<Item = (Vni, &'a Record)>) -> anyhow::Result<()> {
        let lines: Vec<Line> = records.map(|(vni, record)| Line::of(vni, record)).collect();
        if lines != self.written {
            state_dir::write(&self.path, &serde_json::to_string_pretty(&lines)?)?;
            self.written = lines;
        }
        Ok(())
    }
}

impl Line {
    fn of(vni: Vni, record: &Record) -> Self {
        let Record { claim: Claim { mac, epoch, sequence, home, location }, author, since } = *record;
        Self {
            vni: vni.value(),
            mac: mac.to_string(),
            epoch,
            sequence,
            home: home.0,
            location: location.0,
            author: author.0,
            since_unix_s: since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
        }
    }

    fn record(&self) -> Option<Record> {
        let mac: Mac = self.mac.parse().ok()?;
        let Self { epoch, sequence, .. } = *self;
        let claim = Claim { mac, epoch, sequence, home: Vtep(self.home), location: Vtep(self.location) };
        let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.since_unix_s))?;
        Some(Record { claim, author: Vtep(self.author), since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(last: u8) -> Record {
        let vtep = |site| Vtep(Ipv4Addr::new(10, 255, 0, site));
        let mac = Mac::try_from([2, 0, 0, 0, 0, last]).unwrap();
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Record { claim: Claim { mac, epoch: 2, sequence: 7, home: vtep(1), location: vtep(2) }, author: vtep(3), since }
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [1, 2].map(|vni| Vni::try_from(vni).unwrap());
        let mut memory = HostMemory::open(dir.path()).unwrap();
        let records = [(one, record(1)), (two, record(2))];
        memory.keep(records.iter().map(|(vni, record)| (*vni, record))).unwrap();
        let again = HostMemory::open(dir.path()).unwrap();
        assert_eq!(again.records(one).collect::<Vec<_>>(), [record(1)]);
        assert_eq!(again.records(two).collect::<Vec<_>>(), [record(2)]);
        memory.keep(std::iter::empty()).unwrap();
        assert_eq!(HostMemory::open(dir.path()).unwrap().records(one).count(), 0);
    }

    #[test]
    fn what_a_version_before_epochs_wrote_is_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let line = r#"[{"vni": 1, "mac": "02:00:00:00:00:01", "sequence": 7, "home": "10.255.0.1", "location": "10.255.0.2",
            "author": "10.255.0.3", "since_unix_s": 1800000000}]"#;
        fs::write(dir.path().join("hosts.json"), line).unwrap();
        let memory = HostMemory::open(dir.path()).unwrap();
        let first = Record { claim: Claim { epoch: 0, ..record(1).claim }, ..record(1) };
        assert_eq!(memory.records(Vni::try_from(1).unwrap()).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn a_file_that_is_none_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("hosts.json"), "[{").unwrap();
        let error = HostMemory::open(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("hosts.json: remove it to have hosts where the mesh file says"), "{error}");
    }
}

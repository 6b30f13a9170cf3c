//! The file with the locations of hosts that have moved. It is in the state directory, so it survives the end of the daemon and, if
//! possible, a reboot.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use vxlan::{Claim, Mac, Record, Vni, Vtep};

use crate::state_file::{DeferredFile, Outlives, Purpose, StateFile};

const PURPOSE: Purpose = Purpose {
    name: "hosts.json",
    // A line has about 200 octets, so there is room for 80,000 hosts that have moved.
    limit: 16 << 20,
    outlives: Outlives::PowerCut,
    without: "after a restart, hosts that have moved are where the mesh file has them until another site says otherwise",
};

/// The file, and its content.
#[derive(Debug)]
pub(super) struct HostMemory {
    file: DeferredFile,
    /// The content of the file, or what is to be written to it.
    written: Vec<Line>,
}

/// One accepted claim, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    vni: u32,
    mac: String,
    /// Versions without epochs do not write this field.
    #[serde(default)]
    epoch: u16,
    sequence: u32,
    home: Ipv4Addr,
    location: Ipv4Addr,
    author: Ipv4Addr,
    since_unix_s: u64,
}

impl HostMemory {
    /// Reads what an earlier run has left in `state_dir`; without a usable file, nothing is known.
    pub(super) fn open(state_dir: &Path) -> Self {
        let mut file = StateFile::new(state_dir, &PURPOSE);
        let written = file.read(|content| Ok(serde_json::from_slice(content)?)).unwrap_or_default();
        Self { file: DeferredFile::new(file), written }
    }

    /// Returns the records of a segment. Invalid lines are skipped.
    pub(super) fn records(&self, vni: Vni) -> impl Iterator<Item = Record> {
        self.written.iter().filter(move |line| line.vni == vni.value()).filter_map(Line::record)
    }

    /// Replaces the stored records by `records`. They are written to disk as soon as possible; the caller does not wait for that.
    pub(super) fn keep<'a>(&mut self, records: impl Iterator<Item = (Vni, &'a Record)>) {
        let lines: Vec<Line> = records.map(|(vni, record)| Line::of(vni, record)).collect();
        if lines != self.written {
            self.written.clone_from(&lines);
            self.file.write(move || serde_json::to_vec_pretty(&lines).expect("lines are plain data"));
        }
    }

    /// Writes what could not be written before.
    pub(super) fn retry(&mut self) {
        self.file.retry();
    }

    /// Problems with the file, for the operator.
    pub(super) fn problems(&self) -> Vec<String> {
        self.file.problems()
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
        let mut memory = HostMemory::open(dir.path());
        let records = [(one, record(1)), (two, record(2))];
        memory.keep(records.iter().map(|(vni, record)| (*vni, record)));
        drop(memory);
        let mut again = HostMemory::open(dir.path());
        assert_eq!(again.records(one).collect::<Vec<_>>(), [record(1)]);
        assert_eq!(again.records(two).collect::<Vec<_>>(), [record(2)]);
        again.keep(std::iter::empty());
        drop(again);
        assert_eq!(HostMemory::open(dir.path()).records(one).count(), 0);
    }

    #[test]
    fn what_a_version_before_epochs_wrote_is_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let line = r#"[{"vni": 1, "mac": "02:00:00:00:00:01", "sequence": 7, "home": "10.255.0.1", "location": "10.255.0.2",
            "author": "10.255.0.3", "since_unix_s": 1800000000}]"#;
        std::fs::write(dir.path().join("hosts.json"), line).unwrap();
        let memory = HostMemory::open(dir.path());
        let first = Record { claim: Claim { epoch: 0, ..record(1).claim }, ..record(1) };
        assert_eq!(memory.records(Vni::try_from(1).unwrap()).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn a_damaged_file_is_named_and_the_memory_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hosts.json"), "[{").unwrap();
        let mut memory = HostMemory::open(dir.path());
        let [problem] = &memory.problems()[..] else { panic!("{:?}", memory.problems()) };
        assert!(problem.contains("hosts.json could not be used (EOF while parsing"), "{problem}");
        let vni = Vni::try_from(1).unwrap();
        memory.keep(std::iter::once((vni, &record(1))));
        drop(memory);
        assert_eq!(HostMemory::open(dir.path()).records(vni).count(), 1);
    }
}

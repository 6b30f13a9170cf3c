//! The file with router ids that this router had before: the LSAs that it originated under them stay in all databases for up to an hour,
//! and no other router may flush them (RFC 2328 §14.1). The engine flushes them when it is configured with these ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use ospf::RouterId;

use crate::mesh::Mesh;
use crate::state_file::{DeferredFile, Outlives, Purpose, StateFile};

const FILE: Purpose = Purpose {
    name: "router-ids",
    limit: 4096,
    outlives: Outlives::PowerCut,
    without: "if this site's id or the mesh's `loopbacks` are changed, routes by its former router id stay for up to an hour",
};

/// MaxAge: after this time no LSA that was originated under an id is left.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Maximum number of former ids that are remembered.
const MOST: usize = 16;

/// The ids and their file.
#[derive(Debug)]
pub(super) struct RouterIds {
    file: DeferredFile,
    noted: Noted,
}

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Noted {
    present: Option<Ipv4Addr>,
    /// Former ids, each with the time when it was last used, in seconds since 1970.
    former: BTreeMap<Ipv4Addr, u64>,
}

impl RouterIds {
    /// Reads the file in the directory.
    pub(super) fn open(state_dir: &Path) -> Self {
        let mut file = StateFile::new(state_dir, &FILE);
        let noted = file.read(parse).unwrap_or_default();
        Self { file: DeferredFile::new(file), noted }
    }

    /// Records that the router has this id from now on; returns whether it had another one before.
    pub(super) fn begin(&mut self, id: Ipv4Addr, now: SystemTime) -> bool {
        let before = self.noted.clone();
        let seconds = seconds(now);
        let changed = self.noted.present.replace(id).filter(|present| *present != id);
        self.noted.former.extend(changed.map(|former| (former, seconds)));
        self.noted.former.remove(&id);
        // If the clock was set back, ids are kept longer, but not for ever.
        self.noted.former.retain(|_, since| seconds.abs_diff(*since) < MAX_AGE.as_secs());
        while self.noted.former.len() > MOST {
            self.noted.former.pop_first();
        }
        if self.noted != before {
            let content = self.noted.to_string();
            self.file.write(move || content.into_bytes());
        }
        changed.is_some()
    }

    /// The id that was recorded last, if any.
    pub(super) fn present(&self) -> Option<Ipv4Addr> {
        self.noted.present
    }

    /// Former ids of the last hour that no site of the mesh has now.
    pub(super) fn former(&self, mesh: &Mesh, now: SystemTime) -> BTreeSet<RouterId> {
        let recent = self.noted.former.iter().filter(|(_, since)| seconds(now).abs_diff(**since) < MAX_AGE.as_secs());
        let unused = recent.filter(|(id, _)| !mesh.sites.iter().any(|site| site.loopback == **id));
        unused.map(|(id, _)| RouterId::from(*id)).collect()
    }

    /// Tries again to write the file if that failed before.
    pub(super) fn retry(&mut self) {
        self.file.retry();
    }

    /// Problems of the file that an operator should know about.
    pub(super) fn problems(&self) -> Vec<String> {
        self.file.problems()
    }
}

/// Writes the present id as a line `ID`, then each former one as a line `ID SECONDS`.
impl std::fmt::Display for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        if let Some(id) = self.present {
            writeln!(text, "{id}")?;
        }
        for (id, since) in &self.former {
            writeln!(text, "{id} {since}")?;
        }
        f.write_str(&text)
    }
}

fn parse(content: &[u8]) -> anyhow::Result<Noted> {
    let mut noted = Noted::default();
    for line in std::str::from_utf8(content)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = |text: &str| text.parse::<Ipv4Addr>().with_context(|| format!("`{text}` is no router id"));
        match words.as_slice() {
            [present] => noted.present = Some(id(present)?),
            [former, since] => drop(noted.former.insert(id(former)?, since.parse().context("a time is a number")?)),
            _ => bail!("`{line}` is not an id, or an id and a time"),
        }
    }
    ensure!(noted.present.is_some(), "it does not say which router id is in use");
    Ok(noted)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str =
        "[[site]]\nname = \"b\"\nid = 1\npublic_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n";

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn id(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 255, 0, last)
    }

    #[test]
    fn an_id_is_a_former_one_for_an_hour_after_another_took_its_place() {
        let text = format!("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n{SITE}");
        let mesh = crate::mesh::parse("mesh", &text).unwrap().mesh;
        let dir = tempfile::tempdir().unwrap();
        let started = |last, secs| {
            let mut ids = RouterIds::open(dir.path());
            let changed = ids.begin(id(last), at(secs));
            assert!(ids.problems().is_empty());
            (changed, ids.former(&mesh, at(secs)).into_iter().map(Ipv4Addr::from).collect::<Vec<_>>())
        };
        assert_eq!(started(7, 100_000), (false, vec![]));
        assert_eq!(started(7, 150_000), (false, vec![]));
        assert_eq!(started(8, 200_000), (true, vec![id(7)]));
        assert_eq!(started(9, 201_000), (true, vec![id(7), id(8)]));
        assert_eq!(started(9, 204_000), (false, vec![id(8)]), "an hour has passed for the first");
        assert_eq!(started(8, 204_100), (true, vec![id(9)]), "it is in use again");
        assert_eq!(started(1, 300_000), (true, vec![id(8)]));
        assert_eq!(started(2, 300_001), (true, vec![id(8)]), "site 1 has that of before");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_reason_not_to_start() {
        for content in ["", "?", "10.255.0.1 ?", "10.255.0.1 1 1", "10.255.0.7 100"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("router-ids"), content).unwrap();
            let mut ids = RouterIds::open(dir.path());
            assert!(!ids.begin(id(1), at(100)) && !ids.problems().is_empty(), "{content}");
        }
    }
}

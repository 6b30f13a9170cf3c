//! nftables through its own program: rulesets in its language, which a library would only wrap.
//!
//! The program may be missing, fail or hang: each run of it ends within [`LIMIT`], and an [`NftError`] says what to do about it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::reconcile::filter::{FAMILIES, Ruleset, SAMPLES, is_filled_by_packets};

/// How long one run of the program may take. A ruleset with 5000 prefixes takes 0.15 s.
const LIMIT: Duration = Duration::from_secs(5);

/// How much of the program's complaint is repeated, characters.
const COMPLAINT: usize = 200;

/// Why the ruleset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// There is no such program.
    #[error("the program `nft` is not installed (package nftables)")]
    NotInstalled,
    /// It could not be started for another reason.
    #[error("the program `nft` cannot be started")]
    Start(#[source] io::Error),
    /// It was ended because it took too long.
    #[error("the program `nft` did not finish within {} s and was ended", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The kernel knows nothing of nftables.
    #[error("this kernel has no nf_tables, or its module does not load (`modprobe nf_tables` says why): {0}")]
    NoNfTables(String),
    /// The kernel knows nothing of some expression or hook.
    #[error(
        "this kernel lacks something that weft's ruleset needs (modules nft_ct, nft_fib_ipv4, nft_limit, nft_meta_bridge): {0}"
    )]
    Unsupported(String),
    /// Anything else that it complains of.
    #[error("`nft` refuses weft's ruleset: {0}")]
    Refused(String),
    /// The ruleset is gone as soon as it was set.
    #[error("somebody deletes weft's nftables tables as soon as they are set")]
    Deleted,
}

impl NftError {
    /// What the program means by its complaint.
    fn of(complaint: &str) -> Self {
        let first = complaint.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
        let shown = first.chars().take(COMPLAINT).collect();
        let has = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
        if has(&["Operation not permitted"]) {
            Self::Refused(shown)
        } else if has(&["cache initialization failed", "Unable to initialize Netlink socket"]) {
            Self::NoNfTables(shown)
        } else if has(&["No such file or directory", "Operation not supported", "not supported by kernel"]) {
            Self::Unsupported(shown)
        } else {
            Self::Refused(shown)
        }
    }
}

/// The program `nft`.
#[derive(Debug, Clone)]
pub(super) struct Nft {
    program: PathBuf,
    limit: Duration,
}

impl Default for Nft {
    /// The one in PATH.
    fn default() -> Self {
        Self { program: "nft".into(), limit: LIMIT }
    }
}

/// What was last put into the kernel, and how `nft` then listed it.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    ruleset: Ruleset,
    listing: String,
    extent: Extent,
}

/// How much of a ruleset is in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// [`Ruleset::reduced`].
    Reduced,
}

impl Applied {
    /// Whether rules are missing that this kernel does not understand.
    pub fn is_reduced(&self) -> bool {
        self.extent == Extent::Reduced
    }

    /// A short text that is the same for the same ruleset in the same listing, made by the same version of weft.
    pub fn fingerprint(&self) -> String {
        let of = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x} {:016x}", of(self.ruleset.script()), of(&self.listing))
    }
}

impl Nft {
    /// What is there, as if it were `ruleset` that was put into the kernel; `None` if there is nothing.
    pub async fn found(&self, mesh: &str, ruleset: Ruleset) -> Option<Applied> {
        let listing = self.listing(mesh).await.ok()??;
        let names_bridges = ruleset.reduced().is_none() || listing.contains("ibrname");
        let extent = if names_bridges { Extent::Whole } else { Extent::Reduced };
        Some(Applied { ruleset, listing, extent })
    }

    /// The mesh's ruleset as it is: `None` if there is none, the one in `applied` if nobody has changed it.
    pub async fn observe(&self, mesh: &str, applied: Option<&Applied>) -> Result<Option<Ruleset>, NftError> {
        let Some(listing) = self.listing(mesh).await? else { return Ok(None) };
        let untouched = applied.filter(|applied| applied.listing == listing);
        Ok(Some(untouched.map_or_else(Ruleset::unknown, |applied| applied.ruleset.clone())))
    }

    /// Puts the ruleset into the kernel in place of the mesh's last one, in one transaction.
    pub async fn apply(&self, mesh: &str, ruleset: &Ruleset) -> Result<Applied, NftError> {
        let extent = match (self.execute(ruleset.script()).await, ruleset.reduced()) {
            (Err(NftError::Unsupported(_)), Some(reduced)) => {
                self.execute(reduced).await?;
                Extent::Reduced
            }
            (outcome, _) => {
                outcome?;
                Extent::Whole
            }
        };
        let listing = self.listing(mesh).await?.ok_or(NftError::Deleted)?;
        Ok(Applied { ruleset: ruleset.clone(), listing, extent })
    }

    /// Deletes the mesh's ruleset; good if there is none, or no `nft`, without which there can be none of ours.
    pub async fn remove(&self, mesh: &str) -> Result<(), NftError> {
        match self.execute(&Ruleset::removal(mesh)).await {
            Err(NftError::NotInstalled) => Ok(()),
            outcome => outcome,
        }
    }

    /// All tables without what changes by itself; `None` if there is none, or no `nft`.
    async fn listing(&self, mesh: &str) -> Result<Option<String>, NftError> {
        let mut listings = String::new();
        for family in FAMILIES {
            let table = Ruleset::table(mesh);
            match self.run(&["--stateless", "list", "table", family, &table], "").await {
                // The only way to fail that is not our own fault: there is no such table.
                Ok(output) if !output.status.success() => {}
                Ok(output) => listings.push_str(&unchanging(&String::from_utf8_lossy(&output.stdout))),
                Err(NftError::NotInstalled) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((!listings.is_empty()).then_some(listings))
    }

    /// The table of this family with its counters and the contents of its sets, as JSON.
    pub async fn table(&self, family: &str, mesh: &str) -> Result<Value, NftError> {
        self.json(&["list", "table", family, &Ruleset::table(mesh)]).await
    }

    /// The sampled sources, as JSON: a few, however large the ruleset is.
    pub async fn samples(&self, mesh: &str) -> Result<Value, NftError> {
        self.json(&["list", "set", "ip", &Ruleset::table(mesh), SAMPLES]).await
    }

    /// What the program says to these arguments, as JSON; null where it refuses them.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value, NftError> {
        let output = self.run(&[&["--json"], arguments].concat(), "").await?;
        // Nothing is listed where there is no such table.
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    async fn execute(&self, script: &str) -> Result<(), NftError> {
        let output = self.run(&["--file", "-"], script).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(NftError::of(&String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Runs the program to its end, which comes at the limit at the latest.
    async fn run(&self, arguments: &[&str], input: &str) -> Result<Output, NftError> {
        let started = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NftError::NotInstalled,
            _ => NftError::Start(error),
        })?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // One that ends without reading says why in its status.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let ended = async { tokio::join!(feed, child.wait_with_output()).1 };
        match timeout(self.limit, ended).await {
            Ok(output) => output.map_err(NftError::Start),
            Err(_) => Err(NftError::TimedOut(self.limit)),
        }
    }
}

/// A listing without the contents of sets that packets fill.
fn unchanging(listing: &str) -> String {
    // Sets are blocks of lines, in which the elements come last.
    let (mut kept, mut filled, mut skipped) = (String::new(), false, false);
    for line in listing.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["set", name, "{"] => (filled, skipped) = (is_filled_by_packets(name), false),
            ["}"] => (filled, skipped) = (false, false),
            ["elements", ..] => skipped = filled,
            _ => {}
        }
        if !skipped {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packets_put_into_sets_is_no_change_of_the_ruleset() {
        let listing = |samples: &str, admitted: &str| {
            format!(
                "table ip weft-a {{\n\tset admitted {{\n\t\ttype ipv4_addr\n\t\telements = {{ {admitted} }}\n\t}}\n\n\
                 \tset refused {{\n\t\ttype ifname . ipv4_addr\n{samples}\t}}\n\n\tchain input {{\n\t\taccept\n\t}}\n}}\n"
            )
        };
        let samples = "\t\telements = { \"eth1\" . 1.2.3.4 counter packets 1 bytes 2,\n\t\t\t     \"eth1\" . 1.2.3.5 expires 9s }\n";
        assert_eq!(unchanging(&listing(samples, "10.1.0.1")), listing("", "10.1.0.1"));
        assert_ne!(unchanging(&listing(samples, "10.1.0.1")), unchanging(&listing(samples, "10.1.0.2")));
    }

    /// A stand-in for the program that runs `script` in a shell.
    fn program(script: &str) -> (tempfile::TempDir, Nft) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("nft");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        (dir, Nft { program, limit: LIMIT })
    }

    async fn error_of(nft: &Nft) -> String {
        nft.apply("acme", &Ruleset::unknown()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_at_the_limit() {
        let (dir, nft) = program("echo $$ >\"${0%/*}/pid\"; exec sleep 1000");
        let nft = Nft { limit: Duration::from_millis(500), ..nft };
        let error = error_of(&nft).await;
        assert_eq!(error, "the program `nft` did not finish within 0.5 s and was ended");
        assert!(matches!(nft.observe("acme", None).await, Err(NftError::TimedOut(_))));
        assert!(matches!(nft.samples("acme").await, Err(NftError::TimedOut(_))));
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(std::time::Instant::now() < end, "process {pid} is still there");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn why_it_fails_is_said_in_words_that_help() {
        let missing = Nft { program: "/nowhere/nft".into(), limit: LIMIT };
        assert_eq!(error_of(&missing).await, "the program `nft` is not installed (package nftables)");
        assert!(missing.observe("acme", None).await.unwrap().is_none());
        missing.remove("acme").await.unwrap();
        for (complaint, begin) in [
            ("netlink: Error: cache initialization failed: Operation not supported", "this kernel has no nf_tables"),
            ("Unable to initialize Netlink socket: Protocol not supported", "this kernel has no nf_tables"),
            ("Error: Could not process rule: No such file or directory", "this kernel lacks something"),
            ("Operation not permitted (you must be root)", "`nft` refuses weft's ruleset: Operation not permitted"),
            ("", "`nft` refuses weft's ruleset: no reason given"),
        ] {
            let (_dir, nft) = program(&format!("echo '{complaint}' >&2; exit 1"));
            let error = error_of(&nft).await;
            assert!(error.starts_with(begin) && error.contains(complaint), "{error}");
        }
        let (_dir, vanishing) = program("exit 0");
        assert!(matches!(vanishing.apply("acme", &Ruleset::unknown()).await, Err(NftError::Deleted)));
    }
}

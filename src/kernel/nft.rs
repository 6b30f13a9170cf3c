//! Runs the program `nft` to read and write rulesets. A library would only wrap the language of this program.
//!
//! The program may be missing, fail or hang. Each run ends within [`LIMIT`], and the text of an [`NftError`] helps the operator to correct
//! the cause.

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

/// The time limit for one run of the program. A ruleset with 5000 prefixes takes 0.15 s.
const LIMIT: Duration = Duration::from_secs(5);

/// The largest part of the program's error message that is repeated, in characters.
const COMPLAINT: usize = 200;

/// The reason why the ruleset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The program does not exist.
    #[error("the program `nft` is not installed (package nftables)")]
    NotInstalled,
    /// The program could not be started for another reason.
    #[error("the program `nft` cannot be started")]
    Start(#[source] io::Error),
    /// The program was ended because it took too long.
    #[error("the program `nft` did not finish within {} s and was ended", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The kernel does not support nftables.
    #[error("this kernel has no nf_tables, or its module does not load (`modprobe nf_tables` says why): {0}")]
    NoNfTables(String),
    /// The kernel does not support an expression or a hook of the ruleset.
    #[error(
        "this kernel lacks something that weft's ruleset needs (modules nft_ct, nft_fib_ipv4, nft_limit, nft_meta_bridge): {0}"
    )]
    Unsupported(String),
    /// Any other error of the program.
    #[error("`nft` refuses weft's ruleset: {0}")]
    Refused(String),
    /// The ruleset was deleted immediately after it was set.
    #[error("somebody deletes weft's nftables tables as soon as they are set")]
    Deleted,
}

impl NftError {
    /// Returns the error that the program's message means.
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
    /// The program in PATH.
    fn default() -> Self {
        Self { program: "nft".into(), limit: LIMIT }
    }
}

/// Executes a script in the language of the program in PATH, as one transaction.
///
/// # Errors
/// If the program is missing, does not end in time, or refuses the script; nothing has changed then.
pub async fn load_rules(script: &str) -> Result<(), NftError> {
    Nft::default().execute(script).await
}

/// The ruleset that was last put into the kernel, and its listing by `nft` after that.
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
    /// The part that [`Ruleset::reduced`] returns.
    Reduced,
}

impl Applied {
    /// Returns whether rules are missing that this kernel does not support.
    pub fn is_reduced(&self) -> bool {
        self.extent == Extent::Reduced
    }

    /// Returns a short text that is the same for the same ruleset with the same listing, in the same version of weft.
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
    /// Returns the listing in the kernel as if `ruleset` had been put there; `None` if there is no table.
    pub async fn found(&self, mesh: &str, ruleset: Ruleset) -> Option<Applied> {
        let listing = self.listing(mesh).await.ok()??;
        let names_bridges = ruleset.reduced().is_none() || listing.contains("ibrname");
        let extent = if names_bridges { Extent::Whole } else { Extent::Reduced };
        Some(Applied { ruleset, listing, extent })
    }

    /// Returns the mesh's ruleset in the kernel: `None` if there is none, the one in `applied` if it has not been changed, and otherwise an
    /// unknown one.
    pub async fn observe(&self, mesh: &str, applied: Option<&Applied>) -> Result<Option<Ruleset>, NftError> {
        let Some(listing) = self.listing(mesh).await? else { return Ok(None) };
        let untouched = applied.filter(|applied| applied.listing == listing);
        Ok(Some(untouched.map_or_else(Ruleset::unknown, |applied| applied.ruleset.clone())))
    }

    /// Replaces the mesh's ruleset in the kernel, in one transaction.
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

    /// Deletes the mesh's ruleset; succeeds if there is none. It also succeeds without `nft`, because without it weft cannot have set any.
    pub async fn remove(&self, mesh: &str) -> Result<(), NftError> {
        match self.execute(&Ruleset::removal(mesh)).await {
            Err(NftError::NotInstalled) => Ok(()),
            outcome => outcome,
        }
    }

    /// Lists all tables, without the contents that packets change; `None` if there are no tables, or no `nft`.
    async fn listing(&self, mesh: &str) -> Result<Option<String>, NftError> {
        let mut listings = String::new();
        for family in FAMILIES {
            let table = Ruleset::table(mesh);
            match self.run(&["--stateless", "list", "table", family, &table], "").await {
                // The only failure here that is no fault of weft: the table does not exist.
                Ok(output) if !output.status.success() => {}
                Ok(output) => listings.push_str(&unchanging(&String::from_utf8_lossy(&output.stdout))),
                Err(NftError::NotInstalled) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((!listings.is_empty()).then_some(listings))
    }

    /// Lists the table of this family as JSON, with its counters and the contents of its sets.
    pub async fn table(&self, family: &str, mesh: &str) -> Result<Value, NftError> {
        self.json(&["list", "table", family, &Ruleset::table(mesh)]).await
    }

    /// Lists the sampled sources as JSON: they are few, however large the ruleset is.
    pub async fn samples(&self, mesh: &str) -> Result<Value, NftError> {
        self.json(&["list", "set", "ip", &Ruleset::table(mesh), SAMPLES]).await
    }

    /// Returns the output of the program with these arguments, as JSON; null if it fails.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value, NftError> {
        let output = self.run(&[&["--json"], arguments].concat(), "").await?;
        // The output is empty if the table does not exist.
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    async fn execute(&self, script: &str) -> Result<(), NftError> {
        let output = self.run(&["--file", "-"], script).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(NftError::of(&String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Runs the program until it ends, at most for the time limit.
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
                // If the program ends without reading, its status shows the reason.
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

/// Returns a listing without the contents of the sets that packets fill.
fn unchanging(listing: &str) -> String {
    // A set is a block of lines, in which the elements are last.
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

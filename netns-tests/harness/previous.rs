//! The previous version of weft.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::process::success;

/// Its program, which `netns-tests/previous` builds if it is not there yet: that takes minutes.
pub fn program() -> Result<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/netns-tests/previous");
    let output = Command::new(script).output().with_context(|| format!("running {script}"))?;
    let program = PathBuf::from(success(script, &output)?.trim_end());
    ensure!(program.is_absolute(), "{script} says {program:?}");
    Ok(program)
}

//! Prints errors and warnings on stderr: those of a mesh file with their places, all others in one line.

use std::io::{self, IsTerminal as _};

use super::complain;
use crate::control::ClientError;
use crate::lab::here;
use crate::mesh::{Diagnostics, LoadError, Look};

/// Prints why a command failed.
pub fn error(error: &anyhow::Error) {
    match error.chain().find_map(|cause| diagnostics(cause)) {
        Some(found) => {
            show(found);
            let s = if found.len() == 1 { "" } else { "s" };
            complain(format_args!("{}: {} error{s}", found.file_name(), found.len()));
        }
        None => {
            complain(format_args!("error: {error:#}"));
            let not_running = |cause: &(dyn std::error::Error + 'static)| {
                matches!(cause.downcast_ref(), Some(ClientError::NotRunning { .. }))
            };
            if let Some(advice) = error.chain().any(not_running).then(here::advice).flatten() {
                complain(format_args!("note: {advice}"));
            }
        }
    }
}

/// Prints warnings about a mesh file that is used nevertheless.
pub fn warnings(warnings: &Diagnostics) {
    if !warnings.is_empty() {
        show(warnings);
    }
}

fn diagnostics<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e Diagnostics> {
    match cause.downcast_ref::<LoadError>() {
        Some(LoadError::Wrong(found)) => Some(found),
        Some(_) => None,
        None => cause.downcast_ref(),
    }
}

fn show(found: &Diagnostics) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    complain(format_args!("{}\n", found.render(if colour { Look::Coloured } else { Look::Plain })));
}

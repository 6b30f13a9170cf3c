//! Colours output on a terminal: problems are red, and a message that all is well is green.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};

use crate::control::view::{KernelState, SiteState, TunnelState};

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Returns `text`, coloured if standard output is a terminal and the user has not disabled colours (<https://no-color.org>).
pub(super) fn for_stdout(text: String) -> String {
    let [no_colour, term] = ["NO_COLOR", "TERM"].map(std::env::var_os);
    match is_wanted(io::stdout().is_terminal(), no_colour.as_deref(), term.as_deref()) {
        true => painted(&text),
        false => text,
    }
}

/// Whether to use colours: the output is a terminal with colours, and `NO_COLOR` is not set.
fn is_wanted(is_terminal: bool, no_colour: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    is_terminal && no_colour.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let painted = if text.starts_with("! ") {
        format!("{RED}{text}{PLAIN}")
    } else if text == "all is well" {
        format!("{GREEN}{text}{PLAIN}")
    } else if is_heading(text) {
        format!("{BOLD}{text}{PLAIN}")
    } else {
        words(text)
    };
    painted + end
}

/// Whether the line is a table's heading, which has no small letters.
fn is_heading(text: &str) -> bool {
    text.contains("  ")
        && text.chars().any(char::is_uppercase)
        && !text.chars().any(char::is_lowercase)
        && !text.chars().any(|character| character.is_ascii_digit())
}

/// The states, as the cells of tables show them, that mean that something is wrong.
fn wrong_states() -> impl Iterator<Item = &'static str> {
    let tunnels = TunnelState::ALL.iter().filter(|state| state.is_wrong()).map(|state| state.word());
    let routes = KernelState::ALL.iter().filter(|state| state.is_wrong()).map(|state| state.word());
    let sites = SiteState::ALL.iter().filter(|state| state.is_wrong()).map(|state| state.word());
    tunnels.chain(routes).chain(sites)
}

/// Colours cells that say that something is wrong. Two spaces separate cells; one space separates the words in a cell.
fn words(text: &str) -> String {
    let is_wrong = |cell: &str| wrong_states().any(|state| state == cell.trim());
    let cells = text.split("  ");
    let painted = cells.map(|cell| if is_wrong(cell) { format!("{RED}{cell}{PLAIN}") } else { cell.to_owned() });
    painted.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_wrong_is_red_and_nothing_is_lost() {
        let text = "taipei in mesh x\n! wg-osaka: down\n\n  INTERFACE  SITE   STATE\n  wg-osaka   osaka  stale  3s ago\n  up\n";
        let painted = painted(text);
        let expected = format!(
            "taipei in mesh x\n{RED}! wg-osaka: down{PLAIN}\n\n{BOLD}  INTERFACE  SITE   STATE{PLAIN}\n  \
             wg-osaka   osaka  {RED}stale{PLAIN}  3s ago\n  up\n"
        );
        assert_eq!(painted, expected);
        assert_eq!(super::painted("all is well"), format!("{GREEN}all is well{PLAIN}"));
    }

    #[test]
    fn states_that_are_wrong_are_red_and_no_others() {
        let wrong: BTreeSet<&str> = wrong_states().collect();
        let expected =
            ["different", "idle", "missing", "one-way", "overridden", "silent", "stale", "unreachable", "waiting"];
        assert_eq!(wrong, BTreeSet::from(expected));
    }

    #[test]
    fn a_file_and_whoever_objects_get_none() {
        let [xterm, dumb, yes, empty] = ["xterm", "dumb", "1", ""].map(OsStr::new);
        assert!(is_wanted(true, None, Some(xterm)) && is_wanted(true, Some(empty), None));
        assert!(!is_wanted(false, None, Some(xterm)));
        assert!(!is_wanted(true, Some(yes), Some(xterm)) && !is_wanted(true, None, Some(dumb)));
    }
}

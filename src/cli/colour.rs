//! Colours output on a terminal: problems are red, and a message that all is well is green.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Words in the cells of a table that mean that something is wrong.
const WRONG: [&str; 9] =
    ["one-way", "stale", "waiting", "missing", "silent", "idle", "overridden", "different", "unreachable"];

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

/// Colours cells that say that something is wrong. Two spaces separate cells; one space separates the words in a cell.
fn words(text: &str) -> String {
    let cells: Vec<String> = text
        .split("  ")
        .map(|cell| if WRONG.contains(&cell.trim()) { format!("{RED}{cell}{PLAIN}") } else { cell.to_owned() })
        .collect();
    cells.join("  ")
}

#[cfg(test)]
mod tests {
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
    fn a_file_and_whoever_objects_get_none() {
        let [xterm, dumb, yes, empty] = ["xterm", "dumb", "1", ""].map(OsStr::new);
        assert!(is_wanted(true, None, Some(xterm)) && is_wanted(true, Some(empty), None));
        assert!(!is_wanted(false, None, Some(xterm)));
        assert!(!is_wanted(true, Some(yes), Some(xterm)) && !is_wanted(true, None, Some(dumb)));
    }
}

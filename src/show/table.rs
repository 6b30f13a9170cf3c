//! Columns of text, at most 100 characters wide.

/// Two spaces between columns.
const GAP: &str = "  ";

/// Highest number of characters of a line, if the cells permit it.
const WIDTH: usize = 100;

/// A table with a heading. A column is as wide as its widest cell; the last one is not padded. If lines would be longer than [`WIDTH`],
/// columns that can be spared are left out, and the last cell is continued on the next line.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    spared: &'static [&'static str],
}

impl Table {
    /// A table with these column headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()], spared: &[] }
    }

    /// Sets the columns that are left out, beginning with the first, until the table fits. `--json` has them.
    pub(super) fn sparing(mut self, headings: &'static [&'static str]) -> Self {
        debug_assert!(headings.iter().all(|heading| self.rows[0].iter().any(|known| known == heading)));
        self.spared = headings;
        self
    }

    /// Adds a row with a cell for each heading.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.rows[0].len(), "a cell for each heading");
        self.rows.push(cells);
    }

    /// The table as lines, each preceded by `indent`.
    pub(super) fn render(&self, indent: &str) -> String {
        let mut columns: Vec<usize> = (0..self.rows[0].len()).collect();
        for spared in self.spared {
            if self.narrowest(&columns, indent) <= WIDTH {
                break;
            }
            columns.retain(|column| self.rows[0][*column] != *spared);
        }
        let Some((last, before)) = columns.split_last() else { return String::new() };
        let room = WIDTH.saturating_sub(self.width_before(before, indent));
        let mut text = String::new();
        for row in &self.rows {
            let mut start = indent.to_owned();
            for column in before {
                start.push_str(&format!("{:<width$}{GAP}", row[*column], width = self.width(*column)));
            }
            for part in wrapped(&row[*last], room) {
                text.push_str(format!("{start}{part}").trim_end());
                text.push('\n');
                start = " ".repeat(self.width_before(before, indent));
            }
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    }

    /// The width of all columns before the last.
    fn width_before(&self, columns: &[usize], indent: &str) -> usize {
        let cells: usize = columns.iter().map(|column| self.width(*column) + GAP.len()).sum();
        indent.len() + cells
    }

    /// The length of the longest line if the last cells are continued wherever possible.
    fn narrowest(&self, columns: &[usize], indent: &str) -> usize {
        let Some((last, before)) = columns.split_last() else { return 0 };
        let words = self.rows.iter().flat_map(|row| row[*last].split(' ')).map(|word| word.chars().count());
        self.width_before(before, indent) + words.max().unwrap_or(0)
    }
}

/// The text in parts of at most `room` characters, divided at spaces; a longer word is a part of its own.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split(' ') {
        let part = parts.last_mut().expect("there is always one");
        if part.is_empty() {
            part.push_str(word);
        } else if part.chars().count() + 1 + word.chars().count() <= room {
            part.push(' ');
            part.push_str(word);
        } else {
            parts.push(word.to_owned());
        }
    }
    parts
}

/// A duration in seconds for people: `4s`, `3m12s`, `2h05m`, `8d03h`.
pub(super) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// Octets with a binary unit: `812 B`, `1.4 KiB`.
pub(super) fn octets(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["A", "LONGER"]);
        table.row(["wide cell".to_owned(), "x".to_owned()]);
        assert_eq!(table.render("  "), "  A          LONGER\n  wide cell  x\n");
    }

    #[test]
    fn a_table_that_is_too_wide_goes_without_what_can_be_spared_and_the_last_column_goes_on_below() {
        let wide = || {
            let mut table = Table::new(&["FIRST", "SPARED", "KEPT", "WORDS"]).sparing(&["SPARED"]);
            table.row(["a".repeat(30), "b".repeat(20), "c".repeat(30), "word ".repeat(20).trim().to_owned()]);
            table
        };
        let text = wide().render("  ");
        assert!(text.contains("SPARED") && text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.matches("word").count(), 20, "{text}");
        assert!(text.lines().nth(2).unwrap().starts_with(&" ".repeat(88)), "{text}");
        let mut wider = wide();
        wider.row(["x".repeat(31), String::new(), "y".repeat(30), "z".repeat(20)]);
        let text = wider.render("  ");
        assert!(!text.contains("SPARED") && text.contains("KEPT"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn durations_and_octets_read_as_a_person_says_them() {
        assert_eq!([59.9, 60.0, 3600.0, 90_000.0].map(duration), ["59s", "1m00s", "1h00m", "1d01h"]);
        assert_eq!([0, 1023, 1024, 1_572_864].map(octets), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }
}

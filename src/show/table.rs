//! Columns of text.

/// Two spaces between columns.
const GAP: &str = "  ";

/// A table with a heading; columns are as wide as their widest cell, the last one is left ragged.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row with a cell for each heading.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.rows[0].len(), "a cell for each heading");
        self.rows.push(cells);
    }

    /// The table as lines; `indent` goes in front of each.
    pub(super) fn render(&self, indent: &str) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}{GAP}"));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Seconds as a person says them: `4s`, `3m12s`, `2h05m`, `8d03h`.
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
    fn durations_and_octets_read_as_a_person_says_them() {
        assert_eq!([59.9, 60.0, 3600.0, 90_000.0].map(duration), ["59s", "1m00s", "1h00m", "1d01h"]);
        assert_eq!([0, 1023, 1024, 1_572_864].map(octets), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }
}

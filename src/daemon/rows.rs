//! Writes a JSON array row by row, in parts of bounded size.

use serde::Serialize;

use crate::control::{Cursor, Part};

/// The number of octets after which a part ends.
const OCTETS: usize = 128 << 10;

/// The part that is being written.
#[derive(Debug)]
pub(super) struct Rows {
    json: String,
    /// Whether this or an earlier part has a row before the next one.
    begun: bool,
    last: Option<Cursor>,
}

impl Rows {
    /// Begins the first part, or one that continues from a cursor; `begun` says whether earlier parts have rows.
    pub fn new(from: Option<Cursor>, begun: bool) -> Self {
        let json = if from.is_none() { "[".to_owned() } else { String::new() };
        Self { json, begun, last: None }
    }

    /// Writes a row; `cursor` is its position.
    pub fn push(&mut self, row: &impl Serialize, cursor: Cursor) -> serde_json::Result<()> {
        if self.begun {
            self.json.push(',');
        }
        self.begun = true;
        self.last = Some(cursor);
        self.json.push_str(&serde_json::to_string(row)?);
        Ok(())
    }

    /// Whether the part has reached its size.
    pub fn is_full(&self) -> bool {
        self.json.len() >= OCTETS
    }

    /// Ends a part that the rows after its last one follow.
    pub fn and_more(self) -> Part {
        Part { rest: self.last, json: self.json }
    }

    /// Ends a part that the rows after `cursor` follow.
    pub fn and_more_behind(self, cursor: Cursor) -> Part {
        Part { rest: Some(cursor), json: self.json }
    }

    /// Ends the last part; `close` closes the JSON around the array.
    pub fn end(mut self, close: &str) -> Part {
        self.json.push(']');
        self.json.push_str(close);
        Part::whole(self.json)
    }
}

#[cfg(test)]
mod tests {
    use crate::net::Prefix;

    use super::*;

    fn cursor(number: u32) -> Cursor {
        Cursor::Route(Prefix::host(std::net::Ipv4Addr::from(number)))
    }

    /// Numbers below `most`, in parts.
    fn parts(most: u32) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut number = 0;
        loop {
            let mut rows = Rows::new(parts.last().and_then(|part| part.rest), number > 0);
            while number < most && !rows.is_full() {
                rows.push(&"x".repeat(1000), cursor(number)).unwrap();
                number += 1;
            }
            match number < most {
                true => parts.push(rows.and_more()),
                false => {
                    parts.push(rows.end("}"));
                    return parts;
                }
            }
        }
    }

    #[test]
    fn the_parts_together_are_one_array_and_each_is_bounded() {
        for (most, expected) in [(0, 1), (1, 1), (1000, 8)] {
            let parts = parts(most);
            assert_eq!(parts.len(), expected);
            let text: String = parts.iter().map(|part| part.json.as_str()).collect();
            let rows: Vec<String> = serde_json::from_str(text.strip_suffix('}').unwrap()).unwrap();
            assert_eq!(rows.len(), most as usize);
            assert!(parts.iter().all(|part| part.json.len() < OCTETS + 2000));
        }
    }
}

//! The schema as a JSON Schema (draft 7), which editors with TOML support complete and check with.

use serde_json::{Map, Value, json};

use super::{Absent, FILE, Key, Kind, Section};

/// A JSON Schema of the mesh file.
pub fn json_schema() -> Value {
    let mut schema = object(&FILE);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("weft mesh file");
    schema
}

fn object(section: &Section) -> Value {
    let mut properties: Map<String, Value> =
        section.own.iter().map(|key| (key.name.to_owned(), property(key, None))).collect();
    for group in section.shared {
        // What a section leaves out is as its base has it, whatever the default is there.
        let base = (group.base != section.title).then_some(group.base);
        properties.extend(group.keys.iter().map(|key| (key.name.to_owned(), property(key, base))));
    }
    let required: Vec<&str> =
        section.keys().filter(|key| matches!(key.absent, Absent::Refused)).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(key: &Key, base: Option<&str>) -> Value {
    let mut schema = of_kind(&key.kind);
    let meaning = sentence(key.meaning);
    let left_out = match (base, key.absent) {
        (Some(base), _) => Some(format!("as in {base}")),
        (None, Absent::Words(words)) => Some(words.to_owned()),
        (None, Absent::Value(text)) => {
            schema["default"] = value(text);
            None
        }
        (None, Absent::Refused) => None,
    };
    schema["description"] = match left_out {
        Some(words) => json!(format!("{meaning}. Left out: {words}.")),
        None => json!(format!("{meaning}.")),
    };
    schema
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text(example) => json!({ "type": "string", "examples": [example] }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "examples": ["10s"] }),
        Kind::Words(words) => json!({ "type": "string", "enum": words }),
        Kind::Table(section) => object(section),
        Kind::Sections(section) => json!({ "type": "array", "items": object(section) }),
        Kind::Array(element) => json!({ "type": "array", "items": of_kind(element) }),
        Kind::BySite(kind) => json!({ "type": "object", "additionalProperties": of_kind(kind) }),
        Kind::Any(kinds) => json!({ "anyOf": kinds.iter().map(of_kind).collect::<Vec<_>>() }),
    }
}

/// A default, which stands in the schema as in the file: a string, a number or a boolean.
fn value(toml: &str) -> Value {
    let read = toml.parse::<toml::Value>().ok().and_then(|value| serde_json::to_value(value).ok());
    debug_assert!(read.is_some(), "{toml} is no TOML");
    read.unwrap_or(Value::Null)
}

/// `meaning` with a capital at its beginning, unless that is a name in backquotes or a word with capitals of its own.
fn sentence(meaning: &str) -> String {
    let mut characters = meaning.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

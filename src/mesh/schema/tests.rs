//! The schema against the reader of the file: the same keys by construction, and here the same values and defaults.

use super::*;
use crate::mesh::{Mesh, parse};

/// A mesh file with a place for a further line in each section, `@SECTION@`, and one for a further key in each table in braces. Some
/// sections stand here twice, for keys of which each has a meaning in one of them only.
const FILE_WITH_PLACES: &str = r#"
[mesh]
name = "acme"
loopbacks = "10.255.0.0/16"
@[mesh]@

[ospf]
spf_delay = { @spf_delay@ }
graceful_restart = { @graceful_restart@ }
@[ospf]@

[[area]]
id = "0.0.0.1"
ranges = [{ prefix = "10.1.0.0/16", @ranges@ }]
@[[area]]@

[[area]]
id = "0.0.0.2"
kind = "nssa"
external_ranges = [{ prefix = "172.16.0.0/12", @external_ranges@ }]
@[[area]] nssa@

[[area]]
id = "0.0.0.3"
kind = "stub"
@[[area]] stub@

[[site]]
name = "taipei"
id = 1
public_key = "eMIf99BKgOvFMwzhUxswQ7xmNxnLcL58G5FSj8A3BV8="
endpoint = "203.0.113.1"
prefixes = [{ prefix = "10.1.0.0/16", @prefixes@ }, "0.0.0.0/0"]
default_originate = { when = "always", @default_originate@ }
@[[site]]@

[[site.interface]]
name = "eth1"
ospf = "active"
network = "broadcast"
area = "0.0.0.1"
auth = { type = "md5", key_file = "lan.key", @auth@ }

[[site.interface]]
name = "eth2"
ospf = "active"
network = "nbma"
neighbors = [{ address = "10.1.0.2", @neighbors@ }]
auth = { type = "md5", key_id = 1, key_file = "lan.key" }
@[[site.interface]]@

[[site.interface]]
name = "eth3"
ospf = "active"
network = "broadcast"
area = "0.0.0.2"
auth = { type = "md5", key_id = 1, key_file = "lan.key" }

[[site.interface]]
name = "eth4"
ospf = "active"
network = "broadcast"
area = "0.0.0.3"
auth = { type = "md5", key_id = 1, key_file = "lan.key" }

[[site.virtual_link]]
area = "0.0.0.1"
router_id = "192.0.2.1"
@[[site.virtual_link]]@

[[site.redistribute]]
from = "static"
prefixes = [{ prefix = "192.168.0.0/16", tag = 1 }]
@[[site.redistribute]]@

[[site.import]]
action = "refuse"
prefixes = ["192.168.0.0/16"]
@[[site.import]]@

[[site]]
name = "osaka"
id = 2
public_key = "6VGyIk/ugnf9FHSW4LXvdyO3DZ5pDePo1TFExQruqFA="
endpoint = "203.0.113.2"

[[link]]
between = ["taipei", "osaka"]
bfd = { @bfd@ }
@[[link]]@

[[l2]]
name = "vms"
vni = 100
@[[l2]]@

[[l2.site]]
name = "taipei"
ports = ["tap0"]
@[[l2.site]] own@

[[l2.site]]
name = "osaka"
existing_bridge = "vmbr0"
@[[l2.site]]@

[[l2.host]]
site = "taipei"
mac = "02:00:00:00:01:0a"
ip = "10.9.0.10"
@[[l2.host]]@
"#;

/// Keys that the file of the tests has to have whatever is tested, and so has no second place for.
const TAKEN: &[(&str, &str)] = &[
    ("[[site]]", "endpoint"),
    ("[[site]]", "prefixes"),
    ("[[site]]", "default_originate"),
    ("[[site.interface]]", "network"),
    ("[[site.interface]]", "neighbors"),
    ("[[site.interface]]", "auth"),
    ("[[site.virtual_link]]", "router_id"),
    ("[[site.redistribute]]", "prefixes"),
    ("[[site.import]]", "prefixes"),
    ("[[area]]", "ranges"),
    ("[[area]]", "external_ranges"),
    ("[ospf]", "spf_delay"),
    ("[[link]]", "bfd"),
    ("[ospf]", "graceful_restart"),
    ("auth", "key_file"),
    ("[[l2.site]]", "ports"),
    ("[[l2.site]]", "existing_bridge"),
    // It has a meaning with `neighbors` that are no others' only, and with `area` of the virtual link's routers.
    ("[[site.virtual_link]]", "site"),
];

/// Every section and table in braces.
fn every_section() -> Vec<&'static Section> {
    let mut sections: Vec<&Section> = vec![&FILE];
    let mut next = 0;
    while let Some(section) = sections.get(next).copied() {
        for key in section.keys() {
            for inner in sections_in(&key.kind) {
                if !sections.iter().any(|known| std::ptr::eq(*known, inner)) {
                    sections.push(inner);
                }
            }
        }
        next += 1;
    }
    sections
}

fn sections_in(kind: &'static Kind) -> Vec<&'static Section> {
    match kind {
        Kind::Table(section) | Kind::Sections(section) => vec![section],
        Kind::Array(inner) | Kind::BySite(inner) => sections_in(inner),
        Kind::Any(kinds) => kinds.iter().flat_map(sections_in).collect(),
        Kind::Text(_) | Kind::Boolean | Kind::Integer(..) | Kind::Duration | Kind::Words(_) => Vec::new(),
    }
}

/// The keys that can be tried, with their sections.
fn every_key() -> Vec<(&'static Section, &'static Key)> {
    let keys = every_section().into_iter().flat_map(|section| section.keys().map(move |key| (section, key)));
    let tried = |(section, key): &(&'static Section, &'static Key)| {
        let title = section.title.trim_matches('`');
        let is_section = !sections_in(&key.kind).is_empty() && matches!(key.kind, Kind::Table(_) | Kind::Sections(_));
        let required = matches!(key.absent, Absent::Refused);
        // `prefixes` of redistribution has nothing but required keys.
        !is_section && !required && !TAKEN.contains(&(title, key.name))
    };
    keys.filter(tried).collect()
}

/// The place for `key` of `section` in the file.
fn place(section: &Section, key: &Key) -> String {
    let title = section.title.trim_matches('`');
    match (title, key.name) {
        ("[[area]]", "default_cost") => "[[area]] stub".to_owned(),
        ("[[area]]", "kind") => "[[area]]".to_owned(),
        ("[[area]]", _) => "[[area]] nssa".to_owned(),
        ("[[l2.site]]", "bridge") => "[[l2.site]] own".to_owned(),
        _ => title.to_owned(),
    }
}

/// The file with `line` at `place`, and nothing at all others.
fn file(place: &str, line: &str) -> String {
    let filled = FILE_WITH_PLACES.replace(&format!("@{place}@"), line);
    assert_ne!(filled, FILE_WITH_PLACES, "the file of this test has no place {place}");
    // What `auth` cannot do without, unless it is tried.
    let filled = filled.replace("@auth@", "key_id = 1");
    let mut parts = filled.split('@');
    let mut text = parts.next().unwrap().to_owned();
    while let (Some(_), Some(rest)) = (parts.next(), parts.next()) {
        text += rest;
    }
    text
}

/// The file with `key = value` in the section.
fn with(section: &Section, key: &Key, value: &str) -> String {
    let more = match section.title.trim_matches('`') {
        // Moments need a key that is sent, and so on: the id has to be there.
        "auth" if key.name != "key_id" => "key_id = 1, ",
        _ => "",
    };
    file(&place(section, key), &format!("{more}{} = {value}", key.name))
}

fn errors(text: &str) -> String {
    parse("mesh.toml", text).err().map_or_else(String::new, |errors| errors.to_string())
}

fn mesh(text: &str) -> Mesh {
    parse("mesh.toml", text).unwrap_or_else(|errors| panic!("{errors}")).mesh
}

#[test]
fn every_default_is_what_the_reader_takes_where_the_key_is_left_out() {
    let without = mesh(&file("[mesh]", ""));
    let mut tried = 0;
    for (section, key) in every_key() {
        let Absent::Value(default) = key.absent else { continue };
        let with = mesh(&with(section, key, default));
        assert_eq!(with, without, "{} of {}: {default} is not the default", key.name, section.title);
        tried += 1;
    }
    assert!(tried > 60, "only {tried} defaults were tried");
}

#[test]
fn every_integer_has_the_bounds_of_the_reader() {
    let mut tried = 0;
    for (section, key) in every_key() {
        let Kind::Integer(least, most) = key.kind else { continue };
        for within in [least, most] {
            let said = errors(&with(section, key, &within.to_string()));
            assert!(!said.contains("is out of range"), "{} of {}: {within}: {said}", key.name, section.title);
        }
        for outside in [least.checked_sub(1), Some(most + 1)].into_iter().flatten() {
            let said = errors(&with(section, key, &outside.to_string()));
            let expected = format!("not in {least}..={most}");
            assert!(said.contains(&expected), "{} of {}: {outside}: {said}", key.name, section.title);
        }
        tried += 1;
    }
    assert!(tried > 30, "only {tried} integers were tried");
}

#[test]
fn every_word_is_one_of_the_reader_s_in_its_order() {
    let mut tried = 0;
    for (section, key) in every_key() {
        let words = match key.kind {
            Kind::Words(words) => words,
            Kind::Any([Kind::Words(words), Kind::Table(_)]) => words,
            _ => continue,
        };
        for word in words {
            let said = errors(&with(section, key, &format!("\"{word}\"")));
            assert!(!said.contains("cannot be"), "{} of {}: {word}: {said}", key.name, section.title);
        }
        let said = errors(&with(section, key, "\"zzzzzzzzzzzzzzzz\""));
        let expected = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        assert!(said.contains(&format!("use one of {expected}")), "{} of {}: {said}", key.name, section.title);
        tried += 1;
    }
    assert!(tried > 15, "only {tried} keys with words were tried");
}

#[test]
fn every_key_refuses_a_value_of_another_type_and_takes_one_of_its_own() {
    for (section, key) in every_key() {
        let said = |value: &str| errors(&with(section, key, value));
        let refused = |value: &str, expected: &str| {
            let said = said(value);
            assert!(said.contains(expected), "{} of {} with {value}: {said}", key.name, section.title);
        };
        match &key.kind {
            Kind::Boolean if key.name == "bfd" => {}
            Kind::Boolean => {
                refused("1", "not a boolean");
                assert_eq!(said("false"), "", "{} of {}", key.name, section.title);
            }
            Kind::Duration => {
                refused("true", "not a string");
                refused("10", "not a duration");
                refused("\"10y\"", "has the unknown unit");
                assert!(!said("\"3s\"").contains("not a duration"), "{} of {}", key.name, section.title);
            }
            Kind::Text(example) => {
                refused("true", "not a string");
                let said = said(&format!("\"{example}\""));
                // What is wrong with the value itself is said of the key, or of the value as it is written.
                let faults =
                    [format!("`{}` is ", key.name), format!("`{example}` is not a "), format!("`{example}` cannot")];
                let fault = faults.iter().find(|fault| said.contains(fault.as_str()));
                assert!(fault.is_none(), "{} of {}: {said}", key.name, section.title);
            }
            Kind::Integer(..) => refused("\"1\"", "not an integer"),
            Kind::Array(_) => refused("1", "not an array"),
            Kind::BySite(_) => refused("1", "not a table"),
            Kind::Words(_) => refused("1", "not a string"),
            Kind::Any(_) => refused("1", "not a"),
            Kind::Table(_) | Kind::Sections(_) => {}
        }
    }
}

#[test]
fn every_meaning_is_one_that_a_table_and_a_sentence_can_have() {
    for section in every_section() {
        for key in section.keys() {
            let meaning = key.meaning;
            assert!(!meaning.is_empty() && !meaning.contains(['\n', '|']) && !meaning.ends_with('.'), "{meaning:?}");
        }
    }
}

/// docs/mesh-file.md has a table of each section and each group of keys; `WEFT_BLESS=1` writes them anew.
#[test]
fn the_reference_has_every_key_as_the_schema_has_it() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mesh-file.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut expected = page.clone();
    let mut put = |marker: String, table: String| {
        let (before, rest) = expected.split_once(&marker).unwrap_or_else(|| panic!("the page has no {marker}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("each table has its end");
        expected = format!("{before}{marker}\n{table}<!-- end -->{after}");
    };
    let mut groups: Vec<&Group> = Vec::new();
    let mut titles: Vec<&str> = Vec::new();
    // The top level has nothing but sections, and what may be in `prefixes` of redistribution is told there.
    for section in every_section().into_iter().filter(|section| !std::ptr::eq(*section, &FILE)) {
        let title = section.title.trim_matches('`');
        if !titles.contains(&title) {
            put(format!("<!-- keys: {title} -->"), reference(section.own));
            titles.push(title);
        }
        for group in section.shared {
            if !groups.iter().any(|known| std::ptr::eq(*known, *group)) {
                groups.push(group);
            }
        }
    }
    for group in groups {
        put(format!("<!-- group: {} -->", group.title), reference(group.keys));
    }
    let blessed = std::env::var_os("WEFT_BLESS").is_some();
    if blessed {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(
        blessed || page == expected,
        "docs/mesh-file.md is not what the schema says: WEFT_BLESS=1 writes its tables anew"
    );
}

fn reference(keys: &[Key]) -> String {
    let mut table = "| key | value | default | meaning |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        let absent = match key.absent {
            Absent::Refused => "required".to_owned(),
            Absent::Value(value) => format!("`{value}`"),
            Absent::Words(words) => words.to_owned(),
        };
        table += &format!("| `{}` | {} | {absent} | {} |\n", key.name, in_words(&key.kind), key.meaning);
    }
    table
}

fn in_words(kind: &Kind) -> String {
    match kind {
        Kind::Text(example) => format!("a string such as `\"{example}\"`"),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Integer(least, most) => format!("{least} to {most}"),
        Kind::Duration => "a duration".to_owned(),
        Kind::Words(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Table(_) => "a table".to_owned(),
        Kind::Sections(section) => format!("sections {}", section.title),
        Kind::Array(Kind::Any(kinds)) => format!("an array, each {}", any(kinds)),
        Kind::Array(element) => format!("an array, each {}", in_words(element)),
        Kind::BySite(kind) => format!("a table from site to {}", in_words(kind)),
        Kind::Any(kinds) => any(kinds),
    }
}

fn any(kinds: &[Kind]) -> String {
    kinds.iter().map(in_words).collect::<Vec<_>>().join(" or ")
}

#[test]
fn the_json_schema_requires_refuses_and_explains() {
    let schema = json_schema();
    let site = &schema["properties"]["site"]["items"];
    assert_eq!(schema["required"], serde_json::json!(["mesh"]));
    assert_eq!(site["required"], serde_json::json!(["name", "id", "public_key"]));
    assert_eq!(site["additionalProperties"], false);
    assert_eq!(site["properties"]["id"]["maximum"], 65534);
    let cost = |section: &serde_json::Value| section["properties"]["cost"].clone();
    // What `[ospf]` has is the default of the sections below it, so they have none of their own.
    assert_eq!(cost(&schema["properties"]["ospf"])["default"], 10);
    let link = cost(&schema["properties"]["link"]["items"]);
    assert_eq!(
        (&link["default"], &link["description"]),
        (&serde_json::Value::Null, &serde_json::json!("Interface output cost. Left out: as in `[ospf]`."))
    );
}

//! `weft check`, `weft keygen` and `weft pubkey`: what they print, where, and with which exit code.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const TRIANGLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/triangle.toml");

fn weft(args: &[&str]) -> Output {
    weft_with_input(args, "")
}

fn weft_with_input(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn pubkey_prints_what_wg_prints() {
    // RFC 7748 §6.1: Alice's private and public key.
    let private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n";
    let public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n";
    let output = weft_with_input(&["pubkey"], private);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), public));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.key");
    fs::write(&path, private).unwrap();
    let output = weft(&["pubkey", text(&path)]);
    assert_eq!(output.status.code(), Some(1), "others can read the file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let output = weft(&["pubkey", text(&path)]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), public));
}

#[test]
fn pubkey_never_repeats_what_is_no_key() {
    let output = weft_with_input(&["pubkey"], "hunter2, by mistake\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "error: stdin does not contain a private key: not base64\n");
}

#[test]
fn keygen_writes_a_private_file_once_and_prints_its_public_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.key");
    let made = weft(&["keygen", "--out", text(&path)]);
    assert_eq!(made.status.code(), Some(0));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&path).unwrap();
    assert_eq!(stdout(&weft(&["pubkey", text(&path)])), stdout(&made));

    let again = weft(&["keygen", "--out", text(&path)]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("File exists"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
}

#[test]
fn keygen_without_a_file_prints_a_key_that_pubkey_takes() {
    let key = weft(&["keygen"]);
    assert_eq!((key.status.code(), stdout(&key).len(), stderr(&key)), (Some(0), 45, ""));
    assert_ne!(stdout(&key), stdout(&weft(&["keygen"])));
    assert_eq!(weft_with_input(&["pubkey"], stdout(&key)).status.code(), Some(0));
}

#[test]
fn check_sums_a_good_file_up() {
    let output = weft(&["check", TRIANGLE]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let said = stdout(&output);
    assert!(
        said.starts_with(&format!("{TRIANGLE}: good\nmesh triangle: 3 sites, 3 tunnels, loopbacks 10.255.0.0/16\n"))
    );
    assert!(said.contains("\n2   osaka   10.255.0.2  2        203.0.113.2:51820  10.2.0.0/16\n"), "{said}");
}

#[test]
fn check_counts_segments_where_there_are_some() {
    let said = stdout(&weft(&["check", "configs/l2.toml"])).to_owned();
    assert!(said.contains("\nmesh l2: 3 sites, 3 tunnels, 2 segments, loopbacks 10.255.0.0/16\n"), "{said}");
}

/// Networks as they are found, and what `weft check` warns of in each: what cannot be otherwise there.
const EXAMPLES: [(&str, &[&str]); 6] = [
    ("dsl-and-lte", &[]),
    ("five-sites", &[]),
    ("lte-behind-nat", &[]),
    ("two-offices", &[]),
    ("vps-exit", &["warning: no tunnel between the sites without `endpoint`: `home`, `workshop`"]),
    ("vrrp-gateway", &[]),
];

#[test]
fn check_finds_every_example_good_and_warns_of_no_more_than_is_so() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/examples");
    let mut found: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".toml").to_owned())
        .collect();
    found.sort();
    assert_eq!(found, EXAMPLES.map(|(name, _)| name), "each has its line here, and a lab in netns-tests/sites.rs");
    for (name, expected) in EXAMPLES {
        let path = format!("{directory}/{name}.toml");
        let output = weft(&["check", &path]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let warnings: Vec<&str> = stderr(&output).lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings, expected, "{name}");
        let said = fs::read_to_string(&path).unwrap();
        for part in [
            &format!("#     weft lab up configs/examples/{name}.toml"),
            "# What was needed:",
            "# What weft cannot say yet:",
        ] {
            assert!(said.lines().any(|line| line == part), "{name} has no line `{part}`");
        }
        assert!(said.contains("IPv6"), "{name} does not say what becomes of IPv6");
    }
}

#[test]
fn check_refuses_a_wrong_file_with_its_errors_and_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mesh.toml");
    fs::write(&path, fs::read_to_string(TRIANGLE).unwrap().replace("id = 2", "id = 1").replace("10.3.0.0", "10.3.0.1"))
        .unwrap();
    let output = weft(&["check", text(&path)]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    let said = stderr(&output);
    assert!(said.starts_with("error: two sites have the id 1\n"), "{said}");
    assert!(said.contains("\nerror: `10.3.0.1/16` has host bits set\n"), "{said}");
    assert!(said.ends_with(&format!("\n\n{}: 2 errors\n", path.display())), "{said}");
}

#[test]
fn check_says_for_programs_what_it_found_and_where() {
    let answer = |output: &Output| serde_json::from_str::<serde_json::Value>(stdout(output)).unwrap();
    let good = fs::read_to_string(TRIANGLE).unwrap();
    let output = weft_with_input(&["check", "-", "--json"], &good);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let said = answer(&output);
    assert_eq!((&said["file"], &said["good"]), (&"standard input".into(), &true.into()));
    assert_eq!(said["findings"], serde_json::json!([]));
    assert_eq!(said["mesh"], serde_json::json!({"name": "triangle", "sites": 3, "tunnels": 3, "segments": 0}));

    let wrong =
        "[mesh]\nname = \"é\"\nloopbacks = \"10.255.0.0/16\"\n[[site]]\nname = \"a\"\nid = 0\npublic_key = \"x\"\n";
    let output = weft_with_input(&["check", "-", "--json"], wrong);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), ""));
    let said = answer(&output);
    assert_eq!((&said["good"], &said["mesh"]), (&false.into(), &serde_json::Value::Null));
    let findings = said["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3, "{findings:#?}");
    let id = &findings[1];
    assert_eq!((&id["line"], &id["column"], &id["severity"]), (&6.into(), &6.into(), &"error".into()));
    assert_eq!((&id["title"], &id["label"]), (&"`id` is out of range".into(), &"not in 1..=65534".into()));
    assert!(id["help"].as_str().is_some_and(|help| help.starts_with("a site id is a number")), "{id}");
}

#[test]
fn check_of_a_file_that_is_not_there_says_so() {
    let output = weft(&["check", "/nonexistent/mesh.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: reading the mesh file /nonexistent/mesh.toml: No such file or directory (os error 2)\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn check_reads_a_pipe_and_no_more_of_a_device_than_of_a_file() {
    let output = weft_with_input(&["check", "/dev/stdin"], &fs::read_to_string(TRIANGLE).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("/dev/stdin: good\n"), "{}", stdout(&output));
    let output = weft(&["check", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the mesh file /dev/zero is longer than"), "{}", stderr(&output));
}

#[test]
fn check_with_a_key_says_which_site_it_is_or_which_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("site.key");
    let public = weft(&["keygen", "--out", text(&key)]);
    let output = weft(&["check", TRIANGLE, "--key", text(&key)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("\n  osaka   id 2      "), "{}", stderr(&output));

    let mesh = dir.path().join("mesh.toml");
    let theirs = fs::read_to_string(TRIANGLE).unwrap();
    let osaka = theirs.lines().filter(|line| line.starts_with("public_key")).nth(1).unwrap().to_owned();
    let ours = format!("public_key = \"{}\"", stdout(&public).trim());
    fs::write(&mesh, theirs.replace(&osaka, &ours)).unwrap();
    let output = weft(&["check", text(&mesh), "--key", text(&key)]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).ends_with(" is the key of site osaka (id 2)\n"), "{}", stdout(&output));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    assert_eq!(weft(&["check"]).status.code(), Some(2));
    assert_eq!(weft(&["checks", TRIANGLE]).status.code(), Some(2));
}

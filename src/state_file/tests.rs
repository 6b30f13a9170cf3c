//! What can be wrong with a file, and with the directory that it is in.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

const PURPOSE: Purpose =
    Purpose { name: "note", limit: 16, outlives: Outlives::PowerCut, without: "the router forgets" };

fn file(dir: &tempfile::TempDir) -> StateFile {
    StateFile::new(dir.path(), &PURPOSE)
}

fn text(content: &[u8]) -> anyhow::Result<String> {
    let text = std::str::from_utf8(content)?;
    anyhow::ensure!(text.starts_with("good"), "no note");
    Ok(text.to_owned())
}

#[test]
fn what_was_written_is_read_and_nobody_else_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = file(&dir);
    assert_eq!(file.read(text), None);
    for content in ["good 1", "good 2"] {
        assert_eq!(file.write(content.as_bytes()), Written::Yes);
        assert_eq!(file.read(text).as_deref(), Some(content));
    }
    assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    assert_eq!(file.problems(), Vec::<String>::new());
    file.remove().unwrap();
    file.remove().unwrap();
    assert_eq!((file.read(text), file.is_lost()), (None, false));
}

/// Makes something at `path` that is no note; what weft says of it.
type Damage = (fn(&Path), &'static str);

#[test]
fn what_cannot_be_used_is_set_aside_and_reported_until_it_is_removed() {
    let damages: [Damage; 8] = [
        (|path| fs::write(path, "bad").unwrap(), "no note"),
        (|path| fs::write(path, "").unwrap(), "no note"),
        (|path| fs::write(path, b"\xff\xfe").unwrap(), "invalid utf-8"),
        (|path| fs::write(path, "good, but too long to be believed").unwrap(), "more than 16 bytes"),
        (|path| fs::create_dir(path).unwrap(), "not a regular file"),
        (|path| symlink("/etc/passwd", path).unwrap(), "a symbolic link"),
        (|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(), "not a regular file"),
        (
            |path| {
                fs::write(path, "good").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
            },
            "others can write it",
        ),
    ];
    for (damage, why) in damages {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(&dir);
        damage(file.path());
        assert_eq!((file.read(text), file.is_lost()), (None, true), "{why}");
        let [problem] = &file.problems()[..] else { panic!("{why}: {:?}", file.problems()) };
        assert!(problem.contains(why) && problem.contains("note.damaged: the router forgets; remove"), "{problem}");
        assert_eq!(file.write(b"good"), Written::Yes, "{why}");
        assert_eq!(file.read(text).as_deref(), Some("good"), "{why}");
        let aside = dir.path().join("note.damaged");
        if aside.is_dir() {
            fs::remove_dir(aside).unwrap()
        } else {
            fs::remove_file(aside).unwrap()
        }
        assert_eq!(file.problems(), Vec::<String>::new(), "{why}");
    }
}

#[test]
fn whatever_was_set_aside_before_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = file(&dir);
    for kind in ["directory", "file", "directory", "file"] {
        match kind {
            "directory" => {
                fs::create_dir(file.path()).unwrap();
                fs::write(file.path().join("content"), "").unwrap();
            }
            _ => fs::write(file.path(), "bad").unwrap(),
        }
        assert_eq!(file.read(text), None);
        assert!(fs::symlink_metadata(file.path()).is_err(), "the {kind} is out of the way");
    }
}

#[test]
fn what_cannot_be_written_is_reported_and_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = StateFile::new(&dir.path().join("missing"), &PURPOSE);
    assert_eq!(file.write(b"good 1"), Written::NotYet);
    assert_eq!(file.write(b"good 2"), Written::NotYet);
    let [problem] = &file.problems()[..] else { panic!("{:?}", file.problems()) };
    assert!(problem.contains("missing/note cannot be written (No such file or directory"), "{problem}");
    make_directory(&dir.path().join("missing")).unwrap();
    file.retry();
    assert_eq!((file.problems(), file.read(text).as_deref()), (Vec::new(), Some("good 2")));
}

#[test]
fn a_link_in_place_of_the_temporary_file_is_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let mut file = file(&dir);
    symlink(&precious, dir.path().join("note.new")).unwrap();
    assert_eq!(file.write(b"good"), Written::Yes);
    symlink(&precious, dir.path().join("other")).unwrap();
    fs::rename(dir.path().join("other"), file.path()).unwrap();
    assert_eq!(file.write(b"good"), Written::Yes, "the link is replaced, not followed");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(file.read(text).as_deref(), Some("good"));
    fs::create_dir(dir.path().join("note.new")).unwrap();
    assert_eq!(file.write(b"good"), Written::Yes, "nor is a directory in the way");
}

#[test]
fn a_directory_in_place_of_the_file_is_set_aside_when_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = file(&dir);
    fs::create_dir(file.path()).unwrap();
    assert_eq!(file.write(b"good"), Written::Yes);
    assert!(file.problems()[0].contains("it is a directory"), "{:?}", file.problems());
}

#[test]
fn a_directory_that_others_can_write_to_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o750);
    assert_eq!(directory_problem(dir.path()), None);
    mode(0o1777);
    assert_eq!(directory_problem(dir.path()), None, "as /tmp is");
    mode(0o770);
    assert!(
        directory_problem(dir.path()).unwrap().ends_with(&format!("(mode 0770): chmod go-w {}", dir.path().display()))
    );
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(directory_problem(&file).unwrap().contains("is not a directory"));
    assert!(directory_problem(&dir.path().join("missing")).unwrap().contains("No such file"));
}

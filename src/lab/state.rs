//! The files of a lab that persist between commands, under /run/weft/lab: one directory per mesh, and in it one per site.
//!
//! ```text
//! /run/weft/lab/MESH/@lab/     mesh.toml (as last brought up), hosts, public-keys, namespaces (made by this lab)
//! /run/weft/lab/MESH/SITE/     mesh.toml, key, log, daemon (pid and start time), run/ (of weft), wireguard/ (UAPI sockets)
//! ```
//! A site's name cannot contain `@`, so the names never collide.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use zeroize::Zeroizing;

use super::netns;
use crate::input_file::Accept;
use crate::keys::{PrivateKey, PublicKey};

/// File name of a copy of the mesh file.
pub const MESH_FILE: &str = "mesh.toml";

/// The directory of all labs.
const ROOT: &str = "/run/weft/lab";
/// The directory of UAPI sockets; the mount point of each site's own directory.
pub const WIREGUARD_DIRECTORY: &str = "/run/wireguard";
/// Longest path of a Unix socket, without the NUL (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// The directory of one mesh's lab.
#[derive(Debug, Clone)]
pub struct State {
    mesh: String,
}

/// The directory of one site.
#[derive(Debug, Clone)]
pub struct SiteState(PathBuf);

/// Keeps out all other lab commands that change something, until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

impl State {
    /// The lab of the mesh called `mesh`, up or not.
    pub fn of(mesh: &str) -> Self {
        Self { mesh: mesh.to_owned() }
    }

    /// The name of the mesh.
    pub fn mesh(&self) -> &str {
        &self.mesh
    }

    /// Whether the lab has a directory.
    pub fn exists(&self) -> bool {
        self.directory().is_dir()
    }

    /// The names of all meshes that have a lab on this machine.
    pub fn all() -> Vec<String> {
        let names = fs::read_dir(ROOT).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Waits until other lab commands have finished, and takes the lock.
    pub fn lock() -> Result<Lock> {
        loop {
            make_directory(Path::new(ROOT))?;
            let directory = File::open(ROOT).with_context(|| format!("opening {ROOT}"))?;
            let lock = Flock::lock(directory, FlockArg::LockExclusive);
            let lock = lock.map_err(|(_, errno)| errno).with_context(|| format!("locking {ROOT}"))?;
            // The previous holder of the lock may have removed the directory together with the last lab.
            let same =
                fs::metadata(ROOT).is_ok_and(|now| lock.metadata().is_ok_and(|locked| locked.ino() == now.ino()));
            if same {
                return Ok(Lock(lock));
            }
        }
    }

    /// Creates the directories, and what all labs share on this machine.
    pub fn create(&self) -> Result<()> {
        if netns::prepare_directory()? {
            write(&made(Made::Netns), b"", 0o600)?;
        }
        if !Path::new(WIREGUARD_DIRECTORY).exists() {
            make_directory(Path::new(WIREGUARD_DIRECTORY))?;
            write(&made(Made::Wireguard), b"", 0o600)?;
        }
        make_directory(&self.own())
    }

    /// Removes all files of the lab, and with the last lab also what [`Self::create`] created for all labs.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(self.directory()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", self.directory().display()));
            }
            _ => {}
        }
        if !Self::all().is_empty() {
            return Ok(());
        }
        if fs::remove_file(made(Made::Netns)).is_ok() {
            netns::remove_directory_if_unused();
        }
        if fs::remove_file(made(Made::Wireguard)).is_ok() {
            let _ = fs::remove_dir(WIREGUARD_DIRECTORY);
        }
        // The directory is not empty if a router's own weft runs on this machine.
        let _ = fs::remove_dir(ROOT).and_then(|()| fs::remove_dir("/run/weft"));
        Ok(())
    }

    /// Namespaces that this lab created or was about to create.
    pub fn namespaces(&self) -> Result<BTreeSet<String>> {
        match fs::read_to_string(self.own().join("namespaces")) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error).context("reading which namespaces the lab made"),
        }
    }

    /// Replaces the record of namespaces.
    pub fn record_namespaces<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let text: String = names.map(|name| format!("{name}\n")).collect();
        write(&self.own().join("namespaces"), text.as_bytes(), 0o644)
    }

    /// The mesh file with which the lab was last brought up.
    pub fn mesh_file(&self) -> PathBuf {
        self.own().join(MESH_FILE)
    }

    /// Replaces the copy of the mesh file.
    pub fn write_mesh_file(&self, text: &str) -> Result<()> {
        write(&self.mesh_file(), text.as_bytes(), 0o644)
    }

    /// The file that every site sees as /etc/hosts.
    pub fn hosts_file(&self) -> PathBuf {
        self.own().join("hosts")
    }

    /// Replaces the contents of the hosts file in place, because it is mounted over /etc/hosts of running programs.
    pub fn write_hosts_file(&self, text: &str) -> Result<()> {
        let path = self.hosts_file();
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The file with the public keys of the lab, in lines `SITE BASE64`.
    pub fn public_keys_file(&self) -> PathBuf {
        self.own().join("public-keys")
    }

    /// Replaces the public keys in that file.
    pub fn write_public_keys<'a>(&self, keys: impl Iterator<Item = (&'a str, PublicKey)>) -> Result<()> {
        let text: String = keys.map(|(site, key)| format!("{site} {key}\n")).collect();
        write(&self.public_keys_file(), text.as_bytes(), 0o644)
    }

    /// The lab's own secret for the file that the mesh file calls `name`. `generate` makes it the first time, and again if it is longer
    /// than `most` bytes by now.
    pub fn secret(
        &self,
        name: &Path,
        most: usize,
        generate: impl FnOnce() -> Zeroizing<String>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let path = self.own().join("secrets").join(name);
        match fs::read(&path).map(Zeroizing::new) {
            Ok(secret) if secret.len() <= most => return Ok(secret),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
            Ok(_) | Err(_) => {}
        }
        let secret = generate();
        write_secret(&path, secret.as_bytes())?;
        Ok(Zeroizing::new(secret.as_bytes().to_vec()))
    }

    /// The sites that have a directory.
    pub fn sites(&self) -> Result<BTreeSet<String>> {
        let directory = self.directory();
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", directory.display())),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| !name.starts_with('@')).collect())
    }

    /// The directory of a site.
    pub fn site(&self, name: &str) -> SiteState {
        SiteState(self.directory().join(name))
    }

    fn directory(&self) -> PathBuf {
        Path::new(ROOT).join(&self.mesh)
    }

    fn own(&self) -> PathBuf {
        self.directory().join("@lab")
    }
}

impl SiteState {
    /// Creates the directories.
    pub fn create(&self) -> Result<()> {
        let socket = self.run_directory().join("control.sock");
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            bail!("the names of mesh and site are too long together: a socket's path would be {}", socket.display());
        }
        let directories = [self.run_directory(), self.wireguard_directory(), self.files()];
        directories.iter().try_for_each(|path| make_directory(path))
    }

    /// Removes all files of the site.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("removing {}", self.0.display()))
    }

    /// The site's copy of the mesh file.
    pub fn mesh_file(&self) -> PathBuf {
        self.files().join(MESH_FILE)
    }

    /// Corresponds to /etc/weft of a router: the mesh file, and beside it the files that it names.
    fn files(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// Replaces the site's copy of the mesh file.
    pub fn write_mesh_file(&self, text: &str) -> Result<()> {
        write(&self.mesh_file(), text.as_bytes(), 0o644)
    }

    /// The file with the private key.
    pub fn key_file(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The private key; generated if there is none yet.
    pub fn key(&self) -> Result<PrivateKey> {
        let path = self.key_file();
        if path.exists() {
            return Ok(PrivateKey::load(&path, Accept::Regular)?);
        }
        let key = PrivateKey::generate();
        self.write_key(&key)?;
        Ok(key)
    }

    /// Replaces the private key.
    pub fn write_key(&self, key: &PrivateKey) -> Result<()> {
        write(&self.key_file(), key.to_base64().as_bytes(), 0o600)
    }

    /// Replaces the file with the secret that the mesh file calls `name`.
    pub fn write_secret(&self, name: &Path, secret: &[u8]) -> Result<()> {
        write_secret(&self.files().join(name), secret)
    }

    /// RUN_DIR of the site's weft.
    pub fn run_directory(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The directory that is mounted over [`WIREGUARD_DIRECTORY`].
    pub fn wireguard_directory(&self) -> PathBuf {
        self.0.join("wireguard")
    }

    /// The log of the site's weft.
    pub fn log_file(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The file with pid and start time of the site's daemon.
    pub fn daemon_record(&self) -> PathBuf {
        self.0.join("daemon")
    }

    /// Replaces the record of the daemon.
    pub fn write_daemon_record(&self, text: &str) -> Result<()> {
        write(&self.daemon_record(), text.as_bytes(), 0o644)
    }
}

/// What all labs share on this machine and the lab created: it is removed with the last lab.
#[derive(Clone, Copy)]
enum Made {
    Netns,
    Wireguard,
}

fn made(what: Made) -> PathBuf {
    Path::new(ROOT).join(match what {
        Made::Netns => "@made-netns",
        Made::Wireguard => "@made-wireguard",
    })
}

fn make_directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| format!("making the directory {}", path.display()))
}

/// Writes a secret that only its owner can read, and creates the directories above it.
fn write_secret(path: &Path, secret: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), make_directory)?;
    write(path, secret, 0o600)
}

/// Writes a file atomically.
fn write(path: &Path, contents: &[u8], mode: u32) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.new"));
    let attempt = || {
        // A draft left by an interrupted run may have another mode.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(contents)?;
        fs::rename(&draft, path)
    };
    attempt().with_context(|| format!("writing {}", path.display()))
}

//! Secret files that routers share, as the mesh file names them: those beside the mesh file, or generated ones where there are none. A lab
//! needs nothing but the mesh file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use super::state::{MESH_FILE, State};
use crate::keys::PrivateKey;
use crate::mesh::{Mesh, Site};
use crate::routing::Keyring;

/// Secret files by their names in the mesh file, with the highest number of bytes that each secret may have.
type Files = BTreeMap<String, usize>;

/// The secret files of a lab, with their secrets.
#[derive(Debug)]
pub struct Secrets {
    by_name: BTreeMap<String, (PathBuf, Zeroizing<Vec<u8>>)>,
}

impl Secrets {
    /// Reads the secrets that the mesh file, which is in `directory`, names by a relative path. Missing ones are generated and kept in
    /// `state`.
    ///
    /// # Errors
    /// If a file cannot be read or created, or a lab cannot use its name.
    pub fn of(mesh: &Mesh, directory: &Path, state: &State) -> Result<Self> {
        let mut files = Files::new();
        for site in &mesh.sites {
            for (name, most) in files_of(mesh, site) {
                let least = files.entry(name).or_insert(most);
                *least = most.min(*least);
            }
        }
        let mut by_name = BTreeMap::new();
        for (name, most) in files {
            // A file with an absolute path is used as it is on this machine.
            let Some(path) = below(&name)? else { continue };
            let secret = match fs::read(directory.join(&path)).map(Zeroizing::new) {
                Ok(secret) => secret,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    state.secret(&path, most, || generated(most))?
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("reading {}", directory.join(&path).display()));
                }
            };
            by_name.insert(name, (path, secret));
        }
        Ok(Self { by_name })
    }

    /// Writes the secrets that the site uses into its directory.
    pub fn provide(&self, mesh: &Mesh, site: &Site, state: &State) -> Result<()> {
        for name in files_of(mesh, site).keys() {
            if let Some((path, secret)) = self.by_name.get(name) {
                state.site(&site.name).write_secret(path, secret)?;
            }
        }
        Ok(())
    }
}

/// The path of a file relative to the directory of the mesh file; `None` if its name is an absolute path.
fn below(name: &str) -> Result<Option<PathBuf>> {
    let path = Path::new(name);
    if path.is_absolute() {
        return Ok(None);
    }
    let mut below = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => below.push(part),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                bail!(
                    "the key file {name} is not below the directory of the mesh file: a lab finds it by its whole path only"
                )
            }
        }
    }
    if below == Path::new(MESH_FILE) {
        bail!("the key file {name} is called as the mesh file is in a lab: give it another name");
    }
    Ok(Some(below))
}

/// The secret files that a site uses.
fn files_of(mesh: &Mesh, site: &Site) -> Files {
    let mut files = Keyring::files(mesh, site);
    for file in mesh.tunnels(site).into_iter().filter_map(|tunnel| tunnel.preshared_key_file) {
        files.entry(file).or_insert(usize::MAX);
    }
    files
}

/// Generates a key in base64, cut if it is longer than `most` bytes.
fn generated(most: usize) -> Zeroizing<String> {
    let mut text = PrivateKey::generate().to_base64();
    text.truncate(most);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_below_the_directory_of_the_mesh_file() {
        assert_eq!(below("./keys/pair.psk").unwrap().as_deref(), Some(Path::new("keys/pair.psk")));
        assert_eq!(below("key").unwrap().as_deref(), Some(Path::new("key")));
        assert_eq!(below("/etc/weft/pair.psk").unwrap(), None);
        for name in ["../pair.psk", "keys/../../pair.psk", "./mesh.toml"] {
            assert!(below(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_generated_key_is_no_longer_than_it_may_be() {
        assert_eq!([8, 16, usize::MAX].map(|most| generated(most).len()), [8, 16, 44]);
    }
}

//! Files with secrets that routers share, as the mesh file names them: those beside the mesh file, or ones of the lab's own where there
//! are none. A lab needs no more than the mesh file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use super::state::State;
use crate::keys::PrivateKey;
use crate::mesh::{Mesh, Site};
use crate::routing::Keyring;

/// A secret file that a site uses, by its name in the mesh file; the most bytes that its secret can have.
type Files = BTreeMap<String, usize>;

/// Gives the site the secret files that it uses; `directory` is that of the mesh file.
///
/// # Errors
/// If one can be neither read nor written, or its name leads out of the site's directory.
pub fn provide(mesh: &Mesh, site: &Site, directory: &Path, state: &State) -> Result<()> {
    for (name, most) in files(mesh, site) {
        let path = Path::new(&name);
        if path.is_absolute() {
            // Whoever names a file of the machine means that one.
            continue;
        }
        if !path.components().all(|component| matches!(component, Component::Normal(_))) {
            bail!(
                "the key file {name} is not below the directory of the mesh file: a lab finds it by its absolute path only"
            );
        }
        let secret = match fs::read(directory.join(path)).map(Zeroizing::new) {
            Ok(secret) => secret,
            Err(error) if error.kind() == io::ErrorKind::NotFound => state.secret(path, || generated(most))?,
            Err(error) => return Err(error).with_context(|| format!("reading {}", directory.join(path).display())),
        };
        state.site(&site.name).write_secret(path, &secret)?;
    }
    Ok(())
}

fn files(mesh: &Mesh, site: &Site) -> Files {
    let mut files = Keyring::files(mesh, site);
    for tunnel in mesh.tunnels(site) {
        files.extend(tunnel.preshared_key_file.map(|file| (file, usize::MAX)));
    }
    files
}

/// A key in base64, cut where a key has to be shorter.
fn generated(most: usize) -> Zeroizing<String> {
    let mut text = PrivateKey::generate().to_base64();
    text.truncate(most);
    text
}

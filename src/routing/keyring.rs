//! The keys that a site's packets are authenticated with.
//!
//! They are read from their files before anything is changed, and then put into the engine's configuration, whose time is not that of the
//! system clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use ospf::{Authentication, Instant, Key, KeyAlgorithm, KeyChain, Lifetime, Secret};

use crate::keys::{SecretFileError, load_secret};
use crate::mesh::{Auth, AuthKey, Mesh, Site, Validity};

/// Octets of the longest password (RFC 2328 §D.4.2).
const LONGEST_PASSWORD: usize = 8;
/// Octets of the longest MD5 key (RFC 2328 §D.3).
const LONGEST_MD5_KEY: usize = 16;

/// The keys of a site, by the names of their files.
#[derive(Debug, Default)]
pub struct Keyring {
    by_file: BTreeMap<String, Secret>,
}

impl Keyring {
    /// Reads the key files that `site` uses, which are relative to `directory`. Key files of other sites are not read.
    ///
    /// # Errors
    /// The first file that does not exist, that other users can read, or that holds no key for its purpose.
    pub fn load(directory: &Path, mesh: &Mesh, site: &Site) -> Result<Self, SecretFileError> {
        let mut keyring = Self::default();
        for (key_file, most) in Self::files(mesh, site) {
            let mut secret = load_secret(&directory.join(&key_file), most)?;
            keyring.by_file.insert(key_file, Secret::new(std::mem::take(&mut secret)));
        }
        Ok(keyring)
    }

    /// Returns the key files that `site` uses, as the mesh file names them, and the most octets that the key in each may have.
    pub fn files(mesh: &Mesh, site: &Site) -> BTreeMap<String, usize> {
        let tunnels = mesh.tunnels(site);
        let of_tunnels = tunnels.iter().map(|tunnel| &tunnel.ospf.auth);
        let interfaces = site.interfaces.iter().chain(&site.interface_patterns);
        let of_interfaces = interfaces.map(|interface| &interface.ospf.auth);
        let of_virtual_links = site.virtual_links.iter().map(|link| &link.auth);
        let mut files = BTreeMap::new();
        let mut add = |key_file: &String, most: usize| {
            let least = files.entry(key_file.clone()).or_insert(most);
            *least = most.min(*least);
        };
        for auth in of_tunnels.chain(of_interfaces).chain(of_virtual_links) {
            match auth {
                Auth::None => {}
                Auth::Simple { key_file } => add(key_file, LONGEST_PASSWORD),
                Auth::Keys { keys, .. } => {
                    for key in keys {
                        let most = if key.algorithm == KeyAlgorithm::Md5 { LONGEST_MD5_KEY } else { usize::MAX };
                        add(&key.key_file, most);
                    }
                }
            }
        }
        files
    }

    /// Converts the mesh file's authentication into the engine's; `zero` is the wall-clock time of the engine's time zero.
    pub(super) fn authentication(&self, auth: &Auth, zero: SystemTime) -> Authentication {
        match auth {
            Auth::None => Authentication::Null,
            Auth::Simple { key_file } => Authentication::Simple(self.secret(key_file)),
            Auth::Keys { keys, sequence } => {
                let keys = keys.iter().map(|key| self.key(key, zero)).collect();
                let chain = KeyChain::new(keys, *sequence).expect("the mesh file was checked for what makes a chain");
                Authentication::Cryptographic(chain)
            }
        }
    }

    fn key(&self, key: &AuthKey, zero: SystemTime) -> Key {
        let AuthKey { id, algorithm, key_file, send, accept } = key;
        Key {
            id: *id,
            algorithm: *algorithm,
            secret: self.secret(key_file),
            send: lifetime(*send, zero),
            accept: lifetime(*accept, zero),
        }
    }

    fn secret(&self, key_file: &str) -> Secret {
        self.by_file.get(key_file).expect("every key file of the site was read").clone()
    }
}

/// Converts a validity into the engine's time. Times before the engine's time zero become time zero.
fn lifetime(validity: Validity, zero: SystemTime) -> Lifetime {
    let instant = |time: SystemTime| Instant::new(time.duration_since(zero).unwrap_or_default());
    Lifetime { from: validity.from.map(instant), until: validity.until.map(instant) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::mesh;

    const FILE: &str = r#"
        [mesh]
        name = "acme"
        loopbacks = "10.255.0.0/16"
        [ospf]
        auth = [
            { type = "hmac-sha-256", key_id = 2, key_file = "new.key", send_from = "2026-01-02T00:00:00Z" },
            { type = "hmac-sha-256", key_id = 1, key_file = "old.key", send_until = 2026-01-03T00:00:00Z },
        ]
        [[site]]
        name = "taipei"
        id = 1
        public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
        endpoint = "203.0.113.1"
        [[site.interface]]
        name = "eth1"
        ospf = "active"
        network = "point-to-point"
        [[site.interface]]
        name = "eth2"
        ospf = "active"
        network = "point-to-point"
        auth = { type = "simple", key_file = "word.key" }
        [[site]]
        name = "osaka"
        id = 2
        public_key = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
        endpoint = "203.0.113.2"
    "#;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        dir
    }

    #[test]
    fn a_site_reads_the_files_that_it_uses_and_no_others() {
        let mesh = mesh::parse("mesh.toml", FILE).unwrap().mesh;
        let osaka = directory(&[("old.key", "old\n"), ("new.key", "new\n")]);
        assert!(Keyring::load(osaka.path(), &mesh, mesh.site("osaka").unwrap()).is_ok());
        let error = Keyring::load(osaka.path(), &mesh, mesh.site("taipei").unwrap()).unwrap_err();
        assert!(error.to_string().ends_with("/word.key"), "{error}");
        let long = directory(&[("old.key", "old"), ("new.key", "new"), ("word.key", "ninebytes")]);
        let error = Keyring::load(long.path(), &mesh, mesh.site("taipei").unwrap()).unwrap_err();
        assert!(error.to_string().ends_with("holds 9 bytes, not a key of 1 to 8 bytes"), "{error}");
    }

    #[test]
    fn lifetimes_follow_the_clock_and_not_the_order_of_the_file() {
        let mesh = mesh::parse("mesh.toml", FILE).unwrap().mesh;
        let site = mesh.site("osaka").unwrap();
        let dir = directory(&[("old.key", "old"), ("new.key", "new")]);
        let keyring = Keyring::load(dir.path(), &mesh, site).unwrap();
        let auth = &mesh.tunnels(site)[0].ospf.auth;
        // `date -u -d 2026-01-01 +%s`
        let new_year = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let day = Duration::from_secs(86_400);
        for (zero, elapsed, id) in [(new_year, day / 2, 1), (new_year, day, 2), (new_year + day * 9, day, 2)] {
            let Authentication::Cryptographic(chain) = keyring.authentication(auth, zero) else { panic!("{auth:?}") };
            assert_eq!(chain.signing(Instant::new(elapsed)).0.id.0, id, "{elapsed:?} after {zero:?}");
        }
    }
}

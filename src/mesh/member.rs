//! Finds the site that a router is: the one whose public key belongs to the router's private key.

use std::fmt;

use super::model::{Mesh, Site};
use crate::keys::PublicKey;

/// The key belongs to no site; the message lists the sites.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownKey {
    mesh: String,
    key: PublicKey,
    sites: Vec<(String, u16, PublicKey)>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key belongs to no site of mesh {}: its public key is {}; the sites are", self.mesh, self.key)?;
        let width = self.sites.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, id, key) in &self.sites {
            write!(f, "\n  {name:width$}  id {id:<5}  {key}")?;
        }
        Ok(())
    }
}

impl Mesh {
    /// The site to which `key` belongs, the public half of a router's key.
    ///
    /// # Errors
    /// If it belongs to no site: the error lists the sites.
    pub fn own_site(&self, key: &PublicKey) -> Result<&Site, UnknownKey> {
        self.site_with_key(key).ok_or_else(|| UnknownKey {
            mesh: self.name.clone(),
            key: *key,
            sites: self.sites.iter().map(|site| (site.name.clone(), site.id.0, site.public_key)).collect(),
        })
    }
}

//! Renames tunnels whose site was renamed, and takes over the links and tables of a mesh that was renamed.

use std::io;

use anyhow::Context;

use super::links;
use super::observe::Kernel;
use crate::net::IfName;
use crate::reconcile::state::Backend;
use crate::reconcile::tunnels::Tunnels;

impl Kernel {
    /// Renames a tunnel's interface. Its sessions, addresses and routes stay if the kernel can rename links that are up (Linux 6.2). On
    /// older kernels the link is set down for this, and loses its routes.
    ///
    /// # Errors
    /// If the interface keeps its old name.
    pub async fn rename_tunnel(
        &self,
        from: &IfName,
        to: &IfName,
        backend: Backend,
        tunnels: &impl Tunnels,
    ) -> anyhow::Result<()> {
        let index = links::index(&self.netlink, from).await.with_context(|| format!("finding {from}"))?;
        if backend == Backend::Userspace {
            tunnels.rename_userspace(from, to).await?;
        }
        let renamed = self.rename_link(index, to).await;
        if renamed.is_err() && backend == Backend::Userspace {
            tunnels.rename_userspace(to, from).await?;
        }
        renamed.with_context(|| format!("renaming {from} to {to}"))
    }

    async fn rename_link(&self, index: u32, to: &IfName) -> io::Result<()> {
        match links::rename(&self.netlink, index, to).await {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                links::set_down(&self.netlink, index).await?;
                let renamed = links::rename(&self.netlink, index, to).await;
                links::set_up(&self.netlink, index).await?;
                renamed
            }
            outcome => outcome,
        }
    }

    /// Marks the links of the mesh `former` as those of this mesh, which is the same under another name. Returns how many there were.
    ///
    /// # Errors
    /// If some links may still be marked as those of the former mesh.
    pub async fn adopt_links(&self, former: &str) -> anyhow::Result<usize> {
        let found = links::dump(&self.netlink).await.context("dumping links")?;
        let mut count = 0;
        for link in found.iter().filter(|link| link.mesh() == Some(former)) {
            let marked = links::claim(&self.netlink, link.index, &self.alias).await;
            marked.with_context(|| format!("marking {} as the mesh's", link.name))?;
            count += 1;
        }
        Ok(count)
    }

    /// Deletes the nftables tables of the mesh `former`, which is this mesh under its former name. The tables under the new name are
    /// already in place.
    ///
    /// # Errors
    /// If the tables may still exist.
    pub async fn delete_filter_of(&self, former: &str) -> anyhow::Result<()> {
        Ok(self.filter.nft.remove(former).await?)
    }
}

//! What a mesh file would change at this router, as steps, without changing anything.

use std::path::PathBuf;
use std::time::SystemTime;

use super::Daemon;
use crate::control::view;
use crate::daemon::desired::Basis;
use crate::daemon::local::Local;
use crate::daemon::paths;
use crate::reconcile::{renamed, renames};
use crate::rib::Rib;
use crate::routing::differences;

impl Daemon {
    /// Returns the steps that applying the mesh file `text` would take now. Files of keys that it names are read beside the mesh file in
    /// force.
    ///
    /// # Errors
    /// Why the file would be refused.
    pub(super) async fn preview(&mut self, text: String, name: PathBuf) -> anyhow::Result<view::Plan> {
        let options = self.options.clone();
        let (mut local, backend) = self.load(move || Local::of(&options, &name.display().to_string(), text)).await?;
        let observed = self.host.observed();
        local.find_interfaces(&observed.foreign);
        let now = SystemTime::now();
        let ids = self.router.renamed_ids(&self.local, &local);
        let before = self.router.preview(&self.local, self.router.ids().clone(), observed, now);
        let after = self.router.preview(&local, ids.clone(), observed, now);
        let ospf = differences(&before, &after);
        let bfd = paths::differences(&paths::wanted(&self.local), &paths::wanted(&local));

        let by_tunnel = |interface: &_| self.endpoints.of(local.tunnels.get(interface)?);
        let renames = renames(&local.desired(backend, by_tunnel), observed);
        let observed = renamed(observed, &renames);
        let mut rib = Rib::default();
        self.router.write_routes(&ids, &mut rib);
        rib.set_failures(self.router.failures(&local, &observed, ids));
        let basis =
            Basis { local: &local, backend, observed: &observed, host: &self.host, rib: &rib, endpoint: by_tunnel };
        let desired =
            basis.desired(|reachable| self.segments.preview(&local.mesh, &local.site, reachable, &observed, now));
        let renames = renames.iter().map(|(from, to)| format!("rename tunnel {from} to {to}"));
        let planned = self.host.preview(&desired, &observed);
        let kernel = renames.chain(planned.iter().map(ToString::to_string));
        let steps = steps(ospf, bfd, kernel);
        Ok(view::Plan { mesh: local.mesh.name.clone(), site: local.site.name.clone(), steps })
    }
}

/// The steps of all parts, in the order in which a reload takes them.
pub(super) fn steps(ospf: Vec<String>, bfd: Vec<String>, kernel: impl IntoIterator<Item = String>) -> Vec<view::Step> {
    let of = |part| move |step| view::Step { part, step };
    let bfd = bfd.into_iter().map(of(view::StepPart::Bfd));
    let ospf = ospf.into_iter().map(of(view::StepPart::Ospf));
    bfd.chain(ospf).chain(kernel.into_iter().map(of(view::StepPart::Kernel))).collect()
}

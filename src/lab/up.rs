//! A lab as a whole: bringing it up from a mesh file, finding one that is up, and taking it down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail};

use super::build;
use super::layout::{Layout, router_namespace};
use super::netns::Namespace;
use super::process::{self, Daemon};
use super::secrets::Secrets;
use super::state::State;
use crate::input_file::Accept;
use crate::keys::{PrivateKey, PublicKey};
use crate::mesh::{self, Diagnostics, Mesh, Parsed};

/// A mesh file and its lab, which may or may not be up.
#[derive(Debug)]
pub struct Lab {
    /// The parsed mesh file.
    pub mesh: Mesh,
    /// What the lab of this mesh consists of.
    pub layout: Layout,
    /// The lab's files.
    pub state: State,
    /// Warnings about the mesh file.
    pub warnings: Diagnostics,
    text: String,
    /// The directory of the mesh file.
    directory: PathBuf,
    program: PathBuf,
}

impl Lab {
    /// The lab of the mesh file `path`, whose routers run `program`, which is weft.
    pub fn of_file(path: &Path, program: &Path) -> Result<Self> {
        let text = mesh::read(path, Accept::Any)?;
        let Parsed { mesh, warnings } = mesh::parse(&path.display().to_string(), &text)?;
        let layout = Layout::of(&mesh).with_context(|| format!("{} as a lab", path.display()))?;
        let state = State::of(&mesh.name);
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { mesh, layout, state, warnings, text, directory, program: program.to_owned() })
    }

    /// The lab that is up for `name`, which is a mesh file or the name of a mesh. It uses the mesh file as it was when the lab was last
    /// brought up.
    pub fn running(name: &Path, program: &Path) -> Result<Self> {
        let mesh = mesh_name(name)?;
        let state = State::of(&mesh);
        if !state.mesh_file().exists() {
            bail!("no lab of mesh `{mesh}` is up{}; bring one up with `weft lab up FILE`", others(&mesh));
        }
        Self::of_file(&state.mesh_file(), program)
    }

    /// Creates or changes namespaces, wires, keys and files as the mesh file says, and removes sites that are no longer in it. Starts
    /// nothing.
    pub fn build(&self, keys: Option<&Path>) -> Result<()> {
        self.state.create()?;
        let staying: BTreeSet<&str> = self.layout.sites.iter().map(|site| site.name.as_str()).collect();
        for gone in self.state.sites()?.iter().filter(|name| !staying.contains(name.as_str())) {
            stop_if_there(&self.program, &self.state, gone)?;
            self.state.site(gone).remove()?;
        }
        build::apply(&self.layout, &self.state)?;
        self.state.write_hosts_file(&self.layout.hosts_file)?;
        let secrets = Secrets::of(&self.mesh, &self.directory, &self.state)?;
        let mut public_keys = Vec::new();
        for site in &self.mesh.sites {
            public_keys.push((site.name.as_str(), self.site_files(&site.name, keys)?));
            secrets.provide(&self.mesh, site, &self.state)?;
        }
        self.state.write_public_keys(public_keys.into_iter())?;
        self.state.write_mesh_file(&self.text)
    }

    /// Starts weft where it does not run, and makes it read its mesh file again where it does.
    pub fn start(&self) -> Result<()> {
        for site in &self.mesh.sites {
            match Daemon::of(&self.state.site(&site.name)) {
                Some(daemon) => daemon.reload()?,
                None => drop(Daemon::start(&self.program, &self.state, &site.name)?),
            }
        }
        Ok(())
    }

    /// Creates the files of a site. Returns its public key.
    fn site_files(&self, name: &str, keys: Option<&Path>) -> Result<PublicKey> {
        let site = self.state.site(name);
        site.create()?;
        site.write_mesh_file(&self.text)?;
        let Some(directory) = keys else { return site.key().map(|key| key.public()) };
        let given = PrivateKey::load(&directory.join(format!("{name}.key")), Accept::Any)?;
        if Daemon::of(&site).is_some() && site.key()?.public() != given.public() {
            // A running weft keeps the key that it was started with.
            process::stop(&self.program, &self.state, name)?;
        }
        site.write_key(&given)?;
        Ok(given.public())
    }
}

/// What was left when a lab was taken down.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Names of programs that still ran in the lab and were ended.
    pub evicted: Vec<String>,
    /// Errors of weft when it could not clean up; it was ended nevertheless.
    pub complaints: Vec<String>,
}

/// Takes down the lab of the mesh called `mesh`, whether it is complete or not, and leaves nothing behind.
pub fn down(mesh: &str, program: &Path) -> Result<Leftovers> {
    let state = State::of(mesh);
    if !state.exists() {
        bail!("no lab of mesh `{mesh}` is up{}", others(mesh));
    }
    let mut leftovers = Leftovers::default();
    let sites = state.sites()?;
    // Each thread waits for its daemon, so they run at the same time.
    let stopped = thread::scope(|scope| {
        let state = &state;
        let stop = |name: &String| {
            scope.spawn({
                let name = name.clone();
                move || stop_if_there(program, state, &name)
            })
        };
        let threads: Vec<_> = sites.iter().map(stop).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for outcome in stopped {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => leftovers.complaints.push(format!("{error:#}")),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    let namespaces = state.namespaces()?;
    let identities = namespaces.iter().filter_map(|name| Namespace::open(name).ok()??.identity().ok()).collect();
    leftovers.evicted = process::evict(&identities);
    for name in &namespaces {
        build::remove_namespace(name)?;
    }
    state.remove()?;
    Ok(leftovers)
}

fn stop_if_there(program: &Path, state: &State, name: &str) -> Result<()> {
    // The lab may have been interrupted before its namespaces were created.
    match Namespace::open(&router_namespace(state.mesh(), name))? {
        Some(_) => process::stop(program, state, name),
        None => Ok(()),
    }
}

/// The name of the mesh that `name` refers to: a mesh file, or the name of a mesh whose lab is up.
pub fn mesh_name(name: &Path) -> Result<String> {
    if name.is_file() {
        let shown = name.display().to_string();
        let text = mesh::read(name, Accept::Any)?;
        return Ok(mesh::parse(&shown, &text)?.mesh.name);
    }
    match name.to_str() {
        Some(mesh) if State::all().iter().any(|up| up == mesh) => Ok(mesh.to_owned()),
        _ => bail!("{} is neither a mesh file nor the name of a mesh whose lab is up{}", name.display(), others("")),
    }
}

/// Lists in parentheses the labs that are up besides `mesh`.
fn others(mesh: &str) -> String {
    let others: Vec<String> = State::all().into_iter().filter(|name| name != mesh).collect();
    if others.is_empty() { String::new() } else { format!(" (up: {})", others.join(", ")) }
}

//! The order in which a kernel's modules are loaded: hard and soft dependencies, as modprobe(8) follows them.
//!
//! It reads what depmod(8) wrote beside the modules, and loads nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A module's name as the kernel has it: the file name without its endings, with `_` for `-`.
type Name = String;

/// What depmod knows of one kernel's modules.
#[derive(Debug, Default)]
pub struct Modules {
    /// `modules.dep`: paths below the directory of the modules, by name, and the paths of the modules that each needs.
    files: BTreeMap<Name, (String, Vec<String>)>,
    /// `modules.softdep`: modules, or aliases of modules, to be loaded before and after one, if they can be.
    soft: BTreeMap<Name, Soft>,
    /// `modules.alias`, those without wildcards: several modules may go by one.
    aliases: BTreeMap<Name, Vec<Name>>,
    /// `modules.builtin`.
    builtin: BTreeSet<Name>,
}

#[derive(Debug, Default)]
struct Soft {
    pre: Vec<Name>,
    post: Vec<Name>,
}

/// A module to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name as the kernel has it.
    pub name: String,
    /// The file, below the directory of the modules.
    pub path: String,
    /// Whether a failure to load it is a failure of what was asked for. That of a soft dependency is not: it may drive an instruction
    /// that the processor does not have.
    pub required: bool,
}

impl Modules {
    /// What depmod wrote into `directory`, such as `/lib/modules/6.1.0-56-cloud-amd64`.
    pub fn read(directory: &Path) -> Result<Self> {
        let required = |file: &str| {
            let path = directory.join(file);
            fs::read_to_string(&path).with_context(|| format!("reading {path:?}: has depmod been run?"))
        };
        let optional = |file: &str| match fs::read_to_string(directory.join(file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read.with_context(|| format!("reading {file} of {directory:?}")),
        };
        let (dependencies, builtin) = (required("modules.dep")?, required("modules.builtin")?);
        Ok(Self::parse(&dependencies, &optional("modules.softdep")?, &optional("modules.alias")?, &builtin))
    }

    /// The same from the texts of the files.
    pub fn parse(dependencies: &str, soft: &str, aliases: &str, builtin: &str) -> Self {
        let mut modules = Self::default();
        for (path, needed) in dependencies.lines().filter_map(|line| line.split_once(':')) {
            let needed = needed.split_whitespace().map(str::to_owned).collect();
            modules.files.insert(name_of(path), (path.to_owned(), needed));
        }
        for line in soft.lines() {
            let mut words = line.split_whitespace();
            let ("softdep", Some(module)) = (words.next().unwrap_or_default(), words.next()) else { continue };
            let Soft { pre, post } = modules.soft.entry(name_of(module)).or_default();
            let mut list = pre;
            let mut rest = Some(post);
            for word in words {
                match word {
                    "pre:" => {}
                    "post:" => list = rest.take().unwrap_or(list),
                    name => list.push(name_of(name)),
                }
            }
        }
        for line in aliases.lines() {
            let ["alias", alias, module] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
            if !alias.contains(['*', '?', '[']) {
                modules.aliases.entry(name_of(alias)).or_default().push(name_of(module));
            }
        }
        modules.builtin = builtin.lines().map(name_of).collect();
        modules
    }

    /// Whether there is a module of this name, or the kernel has it built in.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.builtin.contains(name)
    }

    /// The named modules that are not built in and all that they need, each once, in an order in which they can be loaded.
    pub fn order(&self, names: &[&str]) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for name in names {
            if !self.has(name) {
                bail!("it has no module {name}, neither as a file (modules.dep) nor built in (modules.builtin)");
            }
            self.visit(name, true, &mut BTreeSet::new(), &mut steps)?;
        }
        Ok(steps)
    }

    /// Appends what `name` needs, and then itself. `above` are the modules on the way to it: soft dependencies may form a circle.
    fn visit(&self, name: &str, required: bool, above: &mut BTreeSet<Name>, steps: &mut Vec<Step>) -> Result<()> {
        if let Some(step) = steps.iter_mut().find(|step| step.name == name) {
            step.required |= required;
            if !required {
                return Ok(());
            }
        }
        let Some((path, needed)) = self.files.get(name) else { return Ok(()) };
        if !above.insert(name.to_owned()) {
            return Ok(());
        }
        let soft = self.soft.get(name);
        self.visit_soft(soft.map(|soft| &soft.pre), above, steps)?;
        for path in needed {
            let needed = name_of(path);
            if !self.has(&needed) {
                bail!("modules.dep has {name} need {path}, which is not in it");
            }
            self.visit(&needed, required, above, steps)?;
        }
        if !steps.iter().any(|step| step.name == name) {
            steps.push(Step { name: name.to_owned(), path: path.clone(), required });
        }
        self.visit_soft(soft.map(|soft| &soft.post), above, steps)?;
        above.remove(name);
        Ok(())
    }

    fn visit_soft(&self, names: Option<&Vec<Name>>, above: &mut BTreeSet<Name>, steps: &mut Vec<Step>) -> Result<()> {
        for name in names.into_iter().flatten() {
            for module in self.resolve(name) {
                self.visit(module, false, above, steps)?;
            }
        }
        Ok(())
    }

    /// The modules that a name means: the one that has it, or those that go by it.
    fn resolve<'a>(&'a self, name: &'a Name) -> Vec<&'a str> {
        match self.files.contains_key(name) {
            true => vec![name],
            false => self.aliases.get(name).into_iter().flatten().map(String::as_str).collect(),
        }
    }
}

fn name_of(path: &str) -> Name {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of Debian's linux-image-6.12.117+deb12-amd64. Its libcrc32c needs no symbol of the modules that compute CRC-32C: it asks for
    /// the algorithm when it is loaded, and fails with ENOENT, which insmod prints as "unknown symbol".
    const DEPENDENCIES: &str = "\
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
kernel/crypto/crc32c_generic.ko.xz:
kernel/lib/libcrc32c.ko.xz:
kernel/net/netfilter/nfnetlink.ko.xz:
kernel/net/netfilter/nf_tables.ko.xz: kernel/net/netfilter/nfnetlink.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/net/mpls/mpls_gso.ko.xz:
kernel/net/sched/act_mpls.ko.xz:
";
    const SOFT: &str = "\
# Soft dependencies extracted from modules themselves.
softdep libcrc32c pre: crc32c
softdep act_mpls post: mpls_gso
softdep nfsd pre: crypto-md5
";
    const ALIASES: &str = "\
alias cpu:type:x86,ven*fam*mod*:feature:*0094* crc32c_intel
alias crypto-crc32c crc32c_intel
alias crc32c crc32c_intel
alias crc32c crc32c_generic
";

    fn order(builtin: &str, names: &[&str]) -> Result<Vec<String>> {
        let steps = Modules::parse(DEPENDENCIES, SOFT, ALIASES, builtin).order(names)?;
        Ok(steps.into_iter().map(|step| if step.required { step.name } else { format!("({})", step.name) }).collect())
    }

    #[test]
    fn soft_dependencies_are_loaded_before_the_module_that_names_them_and_may_fail() {
        let expected = ["nfnetlink", "(crc32c_intel)", "(crc32c_generic)", "libcrc32c", "nf_tables"];
        assert_eq!(order("kernel/net/ipv6/ipv6.ko\n", &["nf_tables", "ipv6"]).unwrap(), expected);
        assert_eq!(order("", &["act_mpls"]).unwrap(), ["act_mpls", "(mpls_gso)"]);
    }

    #[test]
    fn a_module_that_is_asked_for_is_required_though_it_was_a_soft_dependency_before() {
        let expected = ["nfnetlink", "(crc32c_intel)", "crc32c_generic", "libcrc32c", "nf_tables"];
        assert_eq!(order("", &["nf_tables", "crc32c_generic"]).unwrap(), expected);
    }

    #[test]
    fn what_is_built_in_is_not_loaded() {
        assert_eq!(
            order("kernel/lib/libcrc32c.ko\nkernel/net/netfilter/nf-tables.ko\n", &["nfnetlink"]).unwrap(),
            ["nfnetlink"]
        );
        assert_eq!(order("kernel/net/ipv6/ipv6.ko\n", &["ipv6"]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_module_that_the_kernel_does_not_have_is_named() {
        let error = order("", &["nf_tables", "wireguard"]).unwrap_err().to_string();
        assert_eq!(error, "it has no module wireguard, neither as a file (modules.dep) nor built in (modules.builtin)");
    }
}

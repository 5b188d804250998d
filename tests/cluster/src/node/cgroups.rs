//! A cgroup of our own, below which the kubelet puts its pods: so that what is left can be told from
//! others' and removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, at};
use crate::process::Reaper;

const MOUNT: &str = "/sys/fs/cgroup";

/// Followed by the process id.
const PREFIX: &str = "tagalong-";

/// Removed by the reaper, when its last process is gone.
pub(super) struct Cgroup {
    name: String,
}

impl Cgroup {
    pub fn create(reaper: &mut Reaper) -> Result<Self> {
        let name = format!("{PREFIX}{}", std::process::id());
        let unified = Path::new(MOUNT).join("cgroup.controllers").exists();
        reaper.cgroup(&name)?;
        if unified {
            create_unified(&name)?;
        } else {
            for hierarchy in hierarchies()? {
                create_in_hierarchy(&hierarchy, &name)?;
            }
        }
        Ok(Self { name })
    }

    /// As the kubelet's `cgroupRoot` wants it.
    pub fn root(&self) -> String {
        format!("/{}", self.name)
    }
}

/// Version 1 has a tree per controller; symbolic links are second names of one.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(MOUNT).map_err(at(MOUNT))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !path.is_symlink() && !path.ends_with("unified"))
        .filter(|path| path.join("cgroup.procs").exists())
        .collect())
}

fn create_in_hierarchy(hierarchy: &Path, name: &str) -> Result<()> {
    let own = hierarchy.join(name);
    fs::create_dir_all(&own).map_err(at(&own))?;
    // A new cpuset has no processor and no memory, and nothing can run in it.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let from = hierarchy.join(file);
        if from.exists() {
            let value = fs::read_to_string(&from).map_err(at(&from))?;
            fs::write(own.join(file), value).map_err(at(own.join(file)))?;
        }
    }
    Ok(())
}

/// Version 2 hands controllers down level by level.
fn create_unified(name: &str) -> Result<()> {
    let root = Path::new(MOUNT);
    let own = root.join(name);
    fs::create_dir_all(&own).map_err(at(&own))?;
    for directory in [root, &own] {
        let path = directory.join("cgroup.controllers");
        let controllers = fs::read_to_string(&path).map_err(at(&path))?;
        for controller in controllers.split_whitespace() {
            // Some cannot be handed down everywhere; the kubelet names those that it misses.
            let _ = fs::write(
                directory.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
    Ok(())
}

/// Removes our cgroups whose process is gone, and returns which.
pub(crate) fn remove_orphans() -> Vec<PathBuf> {
    let roots = hierarchies().unwrap_or_default();
    let mut removed = Vec::new();
    for root in roots.iter().map(PathBuf::as_path).chain([Path::new(MOUNT)]) {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(pid) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if !Path::new("/proc").join(pid).exists() && remove_tree(&entry.path()).is_ok() {
                removed.push(entry.path());
            }
        }
    }
    removed
}

/// A cgroup's files go with it, so that only directories are there to be removed.
fn remove_tree(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)?.flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

//! What runs left behind: nothing, unless their reaper was killed too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cache;
use crate::error::{Result, at};
use crate::node::cgroups;

/// How run directories are called.
pub(crate) const PREFIX: &str = "tagalong-cluster-";
/// Locked in a run directory for as long as its process lives.
const LOCK: &str = "lock";

/// Marks a run directory as in use until the file is dropped.
pub(crate) fn claim(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let file = File::create(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

/// Removes run directories and cgroups whose process is gone, and returns which.
///
/// # Errors
///
/// When the directory for temporary files cannot be read.
pub fn remove() -> Result<Vec<PathBuf>> {
    let base = std::env::temp_dir();
    let mut removed = Vec::new();
    for entry in fs::read_dir(&base).map_err(at(&base))?.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // No lock file: it is just being made.
        let idle = || File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && idle() && fs::remove_dir_all(&path).is_ok() {
            removed.push(path);
        }
    }
    removed.extend(cgroups::remove_orphans());
    Ok(removed)
}

/// Removes every binary that was built into the cache, and returns which.
///
/// # Errors
///
/// When the cache cannot be read.
pub fn remove_cached_binaries() -> Result<Vec<PathBuf>> {
    let root = cache::root()?;
    let _lock = cache::lock("build.lock", || {})?;
    let mut removed = Vec::new();
    for entry in fs::read_dir(&root).map_err(at(&root))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = crate::binaries::Tool::ALL
            .iter()
            .any(|tool| name.starts_with(&format!("{}-v", tool.name())));
        if ours && fs::remove_dir_all(entry.path()).is_ok() {
            removed.push(entry.path());
        }
    }
    Ok(removed)
}

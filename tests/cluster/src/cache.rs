//! The cache directory outside the clone, and locks in it between processes.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use crate::error::{Error, Result, at};

/// `${XDG_CACHE_HOME:-$HOME/.cache}/tagalong`, created if missing.
///
/// # Errors
///
/// When neither variable is set or the directory cannot be made.
pub fn root() -> Result<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = var("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(var("HOME")?).join(".cache")))
        .ok_or_else(|| {
            Error::Unsupported("no place for a cache: set XDG_CACHE_HOME or HOME".to_owned())
        })?;
    let root = base.join("tagalong");
    fs::create_dir_all(&root).map_err(at(&root))?;
    Ok(root)
}

/// Takes the named lock; `waiting` is called if someone else has it. Released when dropped, also by
/// the death of the process.
pub(crate) fn lock(name: &str, waiting: impl FnOnce()) -> Result<File> {
    let path = root()?.join(name);
    let file = File::create(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            waiting();
            file.lock().map_err(at(&path))?;
        }
        Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
    }
    Ok(file)
}

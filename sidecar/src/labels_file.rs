//! The table from a file, followed as it changes.
//!
//! The file is looked at once a second rather than watched: a ConfigMap's files change by a swapped symlink two levels up,
//! an editor's by a rename, and a look each second sees both.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tagalong_wire::{MAX_MESSAGE, MessageKind, ParseError};
use thiserror::Error;

use crate::memory::{Room, TooLarge};
use crate::metrics::Metrics;
use crate::table::{ActiveTable, LoadError, TableHandle};

/// How often the file is looked at.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Why a labels file is refused.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Read(String, #[source] io::Error),
    /// It is larger than any message may be.
    #[error("{0}: {1} bytes are too many, at most {MAX_MESSAGE} are read")]
    TooLong(String, u64),
    /// There is no room for its labels.
    #[error("{0}: too many labels: {1}")]
    TooLarge(String, #[source] TooLarge),
    /// It does not hold a SNAPSHOT message; file, line and column, and what is wrong.
    #[error("{0}:{1}")]
    Parse(String, #[source] ParseError),
}

/// A labels file that was read.
#[derive(Clone, Debug)]
pub struct LabelsFile {
    path: PathBuf,
    room: Room,
    seen: Result<Mark, io::ErrorKind>,
}

/// What tells one state of a file from the next: the file behind all symlinks, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl LabelsFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// As [`FileError`] says.
    pub fn open(path: PathBuf, room: Room) -> Result<(Self, ActiveTable), FileError> {
        let seen = mark(&path);
        let loaded = read(&path, &ActiveTable::default(), room)?;
        Ok((Self { path, room, seen }, loaded))
    }

    /// Puts each new state of the file into use. What cannot be used is refused, logged and counted, and the table that was
    /// in use stays.
    pub async fn follow(mut self, tables: TableHandle, metrics: Arc<Metrics>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.look(&tables.load()) {
                None => {}
                Some(Ok(loaded)) => {
                    tracing::info!(
                        file = %self.path.display(), version = loaded.version, services = loaded.labels.services(),
                        upstreams = loaded.labels.upstreams(), "labels updated"
                    );
                    tables.store(Arc::new(loaded));
                    metrics.table_applied();
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "labels refused, the ones in use stay");
                    metrics.table_refused();
                }
            }
        }
    }

    /// Reads the file if it is not as it was at the last look.
    fn look(&mut self, in_use: &ActiveTable) -> Option<Result<ActiveTable, FileError>> {
        // Taken before reading: what is written while we read shows at the next look.
        let now = mark(&self.path);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        Some(read(&self.path, in_use, self.room))
    }
}

fn mark(path: &Path) -> Result<Mark, io::ErrorKind> {
    let metadata = fs::metadata(path).map_err(|error| error.kind())?;
    Ok(Mark {
        file: (metadata.dev(), metadata.ino()),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn read(path: &Path, in_use: &ActiveTable, room: Room) -> Result<ActiveTable, FileError> {
    let name = || path.display().to_string();
    let failed = |error| FileError::Read(name(), error);
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        // A pipe would be waited for, and everything with it.
        return Err(failed(io::Error::other("not a file")));
    }
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(FileError::TooLong(name(), metadata.len()));
    }
    room.check(length + in_use.labels.bytes())
        .map_err(|error| FileError::TooLarge(name(), error))?;
    let text = fs::read(path).map_err(failed)?;
    MessageKind::expect(&text, MessageKind::Snapshot)
        .map_err(|error| FileError::Parse(name(), error))?;
    ActiveTable::snapshot(&text, in_use, room).map_err(|error| match error {
        LoadError::Parse(error) => FileError::Parse(name(), error),
        LoadError::TooLarge(error) => FileError::TooLarge(name(), error),
    })
}

#[cfg(test)]
mod tests;

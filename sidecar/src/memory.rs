//! How much memory there is, and how much of it labels may have.
//!
//! Who needs more than the container's limit is killed, and Kong's pod loses its readiness with the sidecar, in all pods at
//! once. So what labels would take beyond their share is refused before it is there.

use std::fs;
use std::path::Path;

use tagalong_runtime::net::Buffers;
use tagalong_wire::MAX_MESSAGE;
use tagalong_wire::contract::RESOURCES_ANNOTATION;
use thiserror::Error;

/// Connections at once.
pub const CONNECTIONS: usize = 64;
/// What the kernel may hold of each: control groups charge it to the container, as the process's own memory.
pub const KERNEL: Buffers = Buffers {
    receive: 16 << 10,
    ..Buffers::SERVER
};
/// What the process itself may need, in bytes: 10 MiB were seen with readers on all connections, each at another place.
const OWN: usize = 12 << 20;
/// Connections of its own: to Kong and to the operator.
const CLIENTS: usize = 2;
/// What all but labels may need, in bytes.
const REST: usize = (OWN + CONNECTIONS * KERNEL.memory() + CLIENTS * Buffers::CLIENT.memory())
    .next_multiple_of(1 << 20);

/// The part of the limit that is kept for summaries.
const SUMMARIES: u64 = 16;
/// What summaries may have where there is no limit, in bytes.
const UNLIMITED: usize = 64 << 20;

/// How much memory labels may have at any moment: the table in use, the next one, and the message that it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    bytes: usize,
    limit: Option<u64>,
}

/// Labels would need more memory than there is for them.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "they need {} MiB of memory, and of the limit of {} MiB they may have {}; raise it: annotation {RESOURCES_ANNOTATION}, or the chart's sidecar.resources",
    mebibytes_up(*.needs), .limit >> 20, .has >> 20
)]
pub struct TooLarge {
    needs: usize,
    has: usize,
    limit: u64,
}

fn mebibytes_up(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

impl Room {
    /// The room under a limit of the whole process, in bytes; without one there is no bound.
    #[must_use]
    pub fn within(limit: Option<u64>) -> Self {
        let bytes = limit.map_or(usize::MAX, |limit| {
            let summaries = Self::for_summaries(Some(limit));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            limit.saturating_sub(REST + summaries).max(limit / 4)
        });
        Self { bytes, limit }
    }

    /// How much memory summaries may have under such a limit, in bytes: a sixteenth, which is no part of the labels'.
    /// With 64 MiB that is room for some twelve thousand routes.
    #[must_use]
    pub fn for_summaries(limit: Option<u64>) -> usize {
        limit.map_or(UNLIMITED, |limit| {
            usize::try_from(limit / SUMMARIES).unwrap_or(UNLIMITED)
        })
    }

    /// Whether labels may have so many bytes.
    ///
    /// # Errors
    /// They may not.
    pub fn check(self, needs: usize) -> Result<(), TooLarge> {
        match self.limit {
            Some(limit) if needs > self.bytes => Err(TooLarge {
                needs,
                has: self.bytes,
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// The longest message that can be read while a table of so many bytes is in use, in bytes.
    #[must_use]
    pub fn longest_message(self, in_use: usize) -> usize {
        self.bytes.saturating_sub(in_use).min(MAX_MESSAGE)
    }
}

/// The memory limit in force, in bytes, as the control groups tell it, of either version; none if there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_in(&groups, Path::new("/sys/fs/cgroup"))
}

/// The least limit of the groups and all that they are in. Within a container their paths may be those of the host, and the
/// container's own group stand at the root.
fn limit_in(groups: &str, root: &Path) -> Option<u64> {
    groups.lines().filter_map(|line| of_group(line, root)).min()
}

/// Of a line `number:controllers:path`; version 2 has no controllers there.
fn of_group(line: &str, root: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (root, file) = if controllers.is_empty() {
        (root.to_owned(), "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        (root.join("memory"), "memory.limit_in_bytes")
    } else {
        return None;
    };
    Path::new(path)
        .ancestors()
        .filter_map(|group| group.strip_prefix("/").ok())
        .filter_map(|group| fs::read_to_string(root.join(group).join(file)).ok())
        // Version 2 says "max" where there is none, version 1 a number beyond any memory.
        .filter_map(|limit| limit.trim().parse().ok())
        .filter(|limit| *limit < 1 << 60)
        .min()
}

#[cfg(test)]
mod tests;

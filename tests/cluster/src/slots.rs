//! How many clusters the tests of one binary may have at a time, beside the one that they share. Most of a test is
//! waiting, so there may be more than cores; each takes memory until it ends.

use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Says how many, whatever the machine has.
const ASKED: &str = "TAGALONG_CLUSTERS";
/// What a control plane takes with all definitions, and the test with its operator.
const MIB_EACH: usize = 1024;
/// So many start at once, and start slowly.
const EACH_CORE: usize = 2;

/// Waits until there may be another. It ends with what is returned.
pub(crate) async fn take() -> OwnedSemaphorePermit {
    static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(count())));
    let permit = Arc::clone(&SLOTS).acquire_owned().await;
    permit.unwrap_or_else(|closed| unreachable!("nobody closes it: {closed}"))
}

fn count() -> usize {
    let asked = std::env::var(ASKED).ok().and_then(|text| text.parse().ok());
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fits = fitting(available_mib(&memory).unwrap_or_default(), cores);
    asked.unwrap_or(fits).max(1)
}

/// Half of what is free: others are at work, too.
fn fitting(available_mib: usize, cores: usize) -> usize {
    (available_mib / 2 / MIB_EACH).min(cores * EACH_CORE)
}

fn available_mib(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::{available_mib, fitting};

    #[test]
    fn as_many_as_memory_and_cores_allow() {
        let meminfo = "MemTotal:       16367880 kB\nMemAvailable:    7340032 kB\n";
        assert_eq!(available_mib(meminfo), Some(7168));
        assert_eq!(fitting(7168, 2), 3);
        assert_eq!(fitting(7168, 1), 2);
        assert_eq!(fitting(64 * 1024, 2), 4);
        assert_eq!(fitting(512, 2), 0, "one is allowed all the same");
    }
}

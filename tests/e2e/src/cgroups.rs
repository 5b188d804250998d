//! What the kernel reports about a pod's containers: processor time and processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

use crate::Tried;

const MOUNT: &str = "/sys/fs/cgroup";

/// The processor time of some containers from a moment on.
pub struct Meter {
    containers: Vec<PathBuf>,
    used: Duration,
    since: Instant,
}

impl Meter {
    /// Starts to measure these containers: pods, and the name of a container in each.
    ///
    /// # Errors
    ///
    /// When one does not run.
    pub fn start(pods: &[Value], container: &str) -> Tried<Self> {
        let find = |pod| find(pod, container);
        let containers: Vec<PathBuf> = pods.iter().map(find).collect::<Tried<_>>()?;
        Ok(Self {
            used: used(&containers)?,
            containers,
            since: Instant::now(),
        })
    }

    /// Thousandths of a processor that they took since then, together.
    ///
    /// # Errors
    ///
    /// When one does not run any more.
    pub fn millicores(&self) -> Tried<f64> {
        let used = used(&self.containers)?.saturating_sub(self.used);
        Ok(used.as_secs_f64() / self.since.elapsed().as_secs_f64() * 1000.0)
    }
}

fn used(containers: &[PathBuf]) -> Tried<Duration> {
    let mut sum = Duration::ZERO;
    for container in containers {
        sum += match std::fs::read_to_string(container.join("cpuacct.usage")) {
            Ok(nanoseconds) => Duration::from_nanos(nanoseconds.trim().parse()?),
            Err(_) => {
                let stat = std::fs::read_to_string(container.join("cpu.stat"))?;
                let usage = stat
                    .lines()
                    .find_map(|line| line.strip_prefix("usage_usec "));
                Duration::from_micros(usage.ok_or("no usage_usec")?.parse()?)
            }
        };
    }
    Ok(sum)
}

/// Sends a signal to every process of a pod's container. Returns how many there were.
///
/// # Errors
///
/// When the container does not run, or a signal cannot be sent.
pub fn signal(pod: &Value, container: &str, signal: Signal) -> Tried<usize> {
    let processes = processes(pod, container)?;
    for &process in &processes {
        kill_process(process, signal)?;
    }
    Ok(processes.len())
}

/// The processes of a pod's container, as this process sees them.
///
/// # Errors
///
/// When it does not run.
pub fn processes(pod: &Value, container: &str) -> Tried<Vec<Pid>> {
    let text = std::fs::read_to_string(find(pod, container)?.join("cgroup.procs"))?;
    let mut processes = Vec::new();
    for line in text.lines() {
        processes.push(Pid::from_raw(line.parse()?).ok_or("process 0")?);
    }
    Ok(processes)
}

/// The cgroup of a pod's container, which the runtime names by the container's id.
fn find(pod: &Value, container: &str) -> Tried<PathBuf> {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let mut statuses = lists
        .iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten();
    let id = statuses
        .find(|status| status["name"] == container)
        .and_then(|status| status["containerID"].as_str()?.rsplit_once("//"))
        .ok_or_else(|| format!("no container {container} in {}", pod["status"]))?
        .1;
    let root = Path::new(MOUNT);
    let accounting = root.join("cpuacct");
    let root = if accounting.is_dir() {
        &accounting
    } else {
        root
    };
    below(&root.join(format!("tagalong-{}", std::process::id())), id)
        .ok_or_else(|| format!("no cgroup of {container}, {id}").into())
}

fn below(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    let mut directories: Vec<PathBuf> = Vec::new();
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            directories.push(entry.path());
        }
    }
    directories
        .iter()
        .find(|path| path.file_name().is_some_and(|last| last == name))
        .cloned()
        .or_else(|| directories.iter().find_map(|path| below(path, name)))
}

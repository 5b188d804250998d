//! Child processes that end with us, even when we are killed.
//!
//! Each is started through `setpriv --pdeathsig KILL` (util-linux): the kernel then kills it when
//! its parent is gone, which no handler or destructor of ours could promise. The kernel means the
//! parent *thread*, and a test's thread ends with the test while the cluster goes on; so all children
//! are started by one thread that lives as long as the process.

mod reaper;
mod spawner;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tagalong_ports::Reserved;
use tokio::time::Instant;

pub(crate) use reaper::Reaper;

use crate::error::{Error, Result, at};

/// Lines of a log worth showing when something failed.
const TAIL: usize = 30;

/// Where processes run: on the host as it is, or inside a node's namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// As any other process here.
    Host,
    /// In the network, mount, PID, UTS and IPC namespaces of this process.
    Inside(u32),
}

impl Ground {
    /// A command that dies with us. Relative paths do not survive the change of namespaces.
    #[must_use]
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Self::Inside(pid) = self {
            // nsenter forks into the PID namespace, and a fork forgets the signal.
            command
                .args(["nsenter", "--target", &pid.to_string()])
                .args(["--net", "--mount", "--pid", "--uts", "--ipc", "--"])
                .args(["setpriv", "--pdeathsig", "KILL", "--"]);
        }
        command.arg(program);
        command
    }
}

/// Starts a child on the thread that outlives every test. Use it for whatever carries the parent-death
/// signal.
pub(crate) fn spawn(command: Command) -> std::io::Result<Child> {
    spawner::spawn(command)
}

/// A long-running process with a log file. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Ports that it was told to listen on.
    reserved: Vec<Reserved>,
}

impl Process {
    /// Starts it, with both its outputs in `<directory>/<name>.log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started or the log not be written.
    pub fn start(name: &str, mut command: Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = File::create(&log).map_err(at(&log))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(at(&log))?)
            .stderr(file);
        let child = spawn(command).map_err(|error| Error::Command {
            what: format!("starting {name}"),
            detail: error.to_string(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            reserved: Vec::new(),
        })
    }

    /// The same, which keeps the ports that it was told to listen on for as long as it runs.
    #[must_use]
    pub fn keeping(mut self, ports: impl IntoIterator<Item = Reserved>) -> Self {
        self.reserved.extend(ports);
        self
    }

    /// The name it was started with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file with its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log, TAIL)
    }

    /// An error with the end of the log, should the process have ended.
    ///
    /// # Errors
    ///
    /// When it no longer runs.
    pub fn running(&mut self) -> Result<()> {
        match self.child.try_wait().map_err(at(&self.log))? {
            None => Ok(()),
            Some(status) => Err(Error::Ended {
                name: self.name.clone(),
                status: status.to_string(),
                log: self.log_tail(),
            }),
        }
    }

    /// Asks it to end (SIGTERM) and waits. Kills it if it has not ended within `grace`. Blocks.
    pub fn stop(mut self, grace: Duration) -> Option<ExitStatus> {
        let _ = kill_process(self.innermost()?, Signal::TERM);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// The process itself rather than the nsenter in front of it.
    fn innermost(&self) -> Option<Pid> {
        let outer = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        let inner = std::fs::read_to_string(format!("/proc/{outer}/comm"))
            .is_ok_and(|comm| comm.trim() == "nsenter")
            .then(|| children.ok()?.split_whitespace().next()?.parse().ok())
            .flatten();
        Pid::from_raw(inner.unwrap_or(i32::try_from(outer).ok()?))
    }

    /// The process id, as this process sees it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once it has ended, its number may be another's.
        if let Ok(None) = self.child.try_wait() {
            // An nsenter that is killed does not wait for the process, which may still listen when another is started.
            match self.innermost() {
                Some(process) => drop(kill_process(process, Signal::KILL)),
                None => drop(self.child.kill()),
            }
            let _ = self.child.wait();
        }
    }
}

/// The last `lines` lines of a file.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests;

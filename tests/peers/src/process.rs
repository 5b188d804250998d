//! Measured processes: where they run, what they have used, and that they end.

use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tagalong_ports::Reserved;

/// The core of what is measured; see [`pin_self`] for the other.
const MEASURED: &str = "1";

/// A command that runs alone on the core of what is measured.
#[must_use]
pub fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", MEASURED]).arg(program);
    command.env("GOMAXPROCS", "1");
    command
}

/// Puts this process, with its scrapers and stand-ins, on the other core.
///
/// # Errors
/// There is no such core.
pub fn pin_self() -> io::Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(0);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

/// A child; it ends with this value.
pub struct Process {
    child: Child,
    port: Option<Reserved>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn().map_err(|error| {
            let program = command.get_args().nth(2).unwrap_or_default();
            io::Error::other(format!("{}: {error}", program.to_string_lossy()))
        })?;
        Ok(Self { child, port: None })
    }

    /// Starts one that prints where it listens, and ends when its standard input does.
    ///
    /// # Errors
    /// It does not start or prints something else.
    pub fn serving(command: &mut Command) -> io::Result<(Self, SocketAddr)> {
        let mut process = Self::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut line = String::new();
        if let Some(told) = process.child.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok((process, address))
    }

    /// Starts one that is told its address as the argument after `flag`, and waits until it listens there.
    ///
    /// # Errors
    /// It does not start, or ends.
    pub fn listening(command: &mut Command, flag: &str) -> io::Result<(Self, SocketAddr)> {
        let port = Reserved::new()?;
        let address = port.address();
        let mut process = Self::start(command.arg(flag).arg(address.to_string()))?;
        process.port = Some(port);
        for _ in 0..1000 {
            process.check()?;
            if TcpStream::connect(address).is_ok() {
                return Ok((process, address));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("it does not listen"))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            Some(status) => Err(io::Error::other(format!(
                "a measured process ended: {status}"
            ))),
            None => Ok(()),
        }
    }

    /// CPU seconds that its threads have used.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        let mut nanoseconds = 0.0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the two reads; then its time is lost, and little it is.
            let Ok(stat) = std::fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let first = stat.split(' ').next().unwrap_or_default();
            nanoseconds += first.parse::<f64>().map_err(io::Error::other)?;
        }
        Ok(nanoseconds / 1e9)
    }

    /// The most memory that it ever had resident.
    ///
    /// # Errors
    /// It is gone.
    pub fn peak_bytes(&self) -> io::Result<u64> {
        peak_bytes(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that a process ever had resident.
///
/// # Errors
/// There is no such process.
pub fn peak_bytes(id: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmHWM in /proc"))
}

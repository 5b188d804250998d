//! The processes that are measured.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use tagalong_ports::Reserved;

/// A child that serves; it ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
    _port: Option<Reserved>,
}

/// The program that was built beside this binary.
///
/// # Errors
/// It is not known where this binary is.
pub fn beside(name: &str) -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?.with_file_name(name)))
}

impl Process {
    /// A child that serves, or is about to, at `address`.
    #[must_use]
    pub fn new(child: Child, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            _port: None,
        }
    }

    /// Starts a program, and waits until it listens at the port, which it was told.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not listen.
    pub fn start(mut command: Command, port: Reserved) -> io::Result<Self> {
        let child = command.spawn().map_err(|error| {
            io::Error::other(format!("{}: {error}", command.get_program().display()))
        })?;
        let address = port.address();
        let mut process = Self {
            child,
            address,
            _port: Some(port),
        };
        for _ in 0..1000 {
            if let Some(status) = process.child.try_wait()? {
                return Err(io::Error::other(format!("the child ended: {status}")));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(process);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("the child does not listen"))
    }

    /// The most memory that it ever had resident.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn peak_bytes(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// The memory that it has resident now and no file backs.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn anonymous_bytes(&self) -> io::Result<u64> {
        self.status("RssAnon:")
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix(field)?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse::<u64>()
                    .ok()
            })
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other(format!("no {field} in /proc")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The processes that are measured.

use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child that serves; it ends with this value.
pub struct Process {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
}

impl Process {
    /// The sidecar that was built beside this binary.
    pub fn sidecar(kong: &str, labels: &Path) -> io::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("tagalong-sidecar");
        // Free when asked; that somebody else takes it meanwhile shows as a child that ends.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(&binary)
            .args([
                "--listen",
                &address.to_string(),
                "--kong-metrics-url",
                kong,
                "--labels-file",
            ])
            .arg(labels)
            .env("TAGALONG_LOG", "warn")
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
        let mut process = Self { child, address };
        for _ in 0..1000 {
            if let Some(status) = process.child.try_wait()? {
                return Err(io::Error::other(format!("the sidecar ended: {status}")));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(process);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("the sidecar does not listen"))
    }

    /// The copying proxy, which is this binary too.
    pub fn proxy(upstream: &str) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["proxy", upstream])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(told) = child.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other);
        match address {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The most memory that it ever had resident.
    pub fn peak_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmHWM:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse::<u64>()
                    .ok()
            })
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("no VmHWM in /proc"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

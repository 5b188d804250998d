//! The sidecar and its peer.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tagalong_bench::process::{Process, beside};
use tagalong_ports::Reserved;

/// The sidecar that was built beside this binary.
pub fn sidecar(kong: &str, labels: &Path) -> io::Result<Process> {
    let (port, mut command) = (Reserved::new()?, beside("tagalong-sidecar")?);
    command
        .args(["--listen", &port.address().to_string()])
        .args(["--kong-metrics-url", kong, "--labels-file"])
        .arg(labels)
        .env("TAGALONG_LOG", "warn");
    Process::start(command, port)
}

/// The same with the labels of a stream.
pub fn streaming(kong: &str, labels_url: &str, token: &Path) -> io::Result<Process> {
    let (port, mut command) = (Reserved::new()?, beside("tagalong-sidecar")?);
    command
        .args(["--listen", &port.address().to_string()])
        .args(["--kong-metrics-url", kong, "--labels-url", labels_url])
        .arg("--token-file")
        .arg(token)
        .args(["--ca-file", "none.crt"])
        .env("TAGALONG_LOG", "error");
    Process::start(command, port)
}

/// The copying proxy, which is this binary too.
pub fn proxy(upstream: &str) -> io::Result<Process> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["proxy", upstream])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(told) = child.stdout.take() {
        BufReader::new(told).read_line(&mut line)?;
    }
    match line.trim().parse() {
        Ok(address) => Ok(Process::new(child, address)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(io::Error::other(error))
        }
    }
}

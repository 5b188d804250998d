//! `kong quit`: what a pod's preStop hook runs.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;

/// As Kong's own, as far as hooks use them.
#[derive(Args)]
pub struct Options {
    /// The prefix of the gateway.
    #[arg(short, long, env = "KONG_PREFIX", default_value = "/usr/local/kong")]
    prefix: PathBuf,
    /// Seconds until it must be gone.
    #[arg(short, long, default_value_t = 10)]
    timeout: u64,
    /// Seconds to wait before it begins.
    #[arg(short, long, default_value_t = 0)]
    wait: u64,
}

/// Ends the gateway and waits until it is gone.
///
/// # Errors
///
/// If there is none, or it is still there when the time is over.
pub fn run(options: &Options) -> Result<(), Failure> {
    std::thread::sleep(Duration::from_secs(options.wait));
    let sockets = super::sockets(Some(options.prefix.clone()));
    let Some(mut stream) = sockets
        .iter()
        .find_map(|path| UnixStream::connect(path).ok())
    else {
        return Err(format!("no gateway runs in prefix {}", options.prefix.display()).into());
    };
    stream.set_read_timeout(Some(Duration::from_secs(options.timeout.max(1))))?;
    // It says nothing; its end is the answer.
    match stream.read(&mut [0]) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(_) => Err(format!("the gateway is not gone after {} s", options.timeout.max(1)).into()),
    }
}

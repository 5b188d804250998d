//! `tagalong-kong capture`: serves a captured `/metrics` on a port.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tagalong_kong::{Behaviour, CaptureKong};

use super::Failure;

/// What to serve, and how to misbehave.
#[derive(Args)]
pub struct Options {
    /// A capture of tests/data/kong-metrics by its name, such as small, medium or large.
    #[arg(default_value = "small")]
    name: String,
    /// Serve this file instead.
    #[arg(long, conflicts_with = "name")]
    file: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one. The URL is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Milliseconds until the status line.
    #[arg(long, default_value_t = 0)]
    first_byte_delay_ms: u64,
    /// Milliseconds between two chunks of 100 lines.
    #[arg(long, default_value_t = 0)]
    chunk_delay_ms: u64,
    /// Answer 500 with Kong's JSON.
    #[arg(long)]
    error: bool,
    /// Never answer.
    #[arg(long)]
    hang: bool,
    /// Close the connection after so many bytes of body.
    #[arg(long)]
    cut_after: Option<usize>,
    /// Fall silent after so many bytes of body.
    #[arg(long)]
    hang_after: Option<usize>,
    /// Hold the port, but refuse every connection.
    #[arg(long)]
    refuse: bool,
    /// Speak TLS with a self-signed certificate.
    #[arg(long)]
    tls: bool,
}

/// Serves until the process is ended.
///
/// # Errors
///
/// If the capture cannot be read or the address not be bound.
pub fn run(options: Options) -> Result<(), Failure> {
    let behaviour = Behaviour {
        first_byte_delay: Duration::from_millis(options.first_byte_delay_ms),
        chunk_delay: Duration::from_millis(options.chunk_delay_ms),
        error: options.error,
        hang: options.hang,
        cut_after: options.cut_after,
        hang_after: options.hang_after,
    };
    let mut builder = CaptureKong::builder()
        .listen(options.listen)
        .behaviour(behaviour);
    builder = match options.file {
        Some(file) => builder.body(
            std::fs::read(&file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        ),
        None => builder.capture(options.name),
    };
    if options.refuse {
        builder = builder.refuse();
    }
    if options.tls {
        builder = builder.tls();
    }
    let kong = builder.start_now()?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", kong.url())?;
    if let Some(certificate) = kong.certificate_pem() {
        write!(out, "{certificate}")?;
    }
    out.flush()?;
    loop {
        std::thread::park();
    }
}

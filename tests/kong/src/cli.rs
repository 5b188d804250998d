//! The command line.

pub mod capture;
pub mod gateway;
pub mod quit;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A stand-in for Kong Gateway 3.9.1, for tests.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// What to do; the gateway, if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Be the gateway that the variables KONG_* describe, as Kong's image does.
    #[command(visible_alias = "start")]
    Gateway,
    /// End a running gateway gracefully, and wait until it is gone.
    Quit(quit::Options),
    /// Replay a captured /metrics with Kong's own headers and chunks, until it is ended.
    Capture(capture::Options),
}

/// Why a command failed.
pub type Failure = Box<dyn Error>;

/// One line on standard error.
pub fn complain(error: &dyn Error) {
    let _ = writeln!(std::io::stderr(), "tagalong-kong: {error}");
}

/// Where `kong quit` and a running gateway meet: a socket in the prefix, or, where that cannot be written (an image whose
/// user is not root), in the folder for temporary files.
pub fn sockets(prefix: Option<PathBuf>) -> Vec<PathBuf> {
    let own = std::env::temp_dir().join("kong");
    prefix
        .into_iter()
        .chain([own])
        .map(|folder| folder.join("quit.sock"))
        .collect()
}

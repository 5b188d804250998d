//! The command line.

pub mod capture;

use std::error::Error;
use std::io::Write as _;

use clap::{Parser, Subcommand};

/// A stand-in for Kong Gateway 3.9.1, for tests.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Replay a captured /metrics with Kong's own headers and chunks, until it is ended.
    Capture(capture::Options),
}

/// Why a command failed.
pub type Failure = Box<dyn Error>;

/// One line on standard error.
pub fn complain(error: &dyn Error) {
    let _ = writeln!(std::io::stderr(), "tagalong-kong: {error}");
}

//! What the program can be told to do.

use std::io;

use crate::{contend, in_process, record};

/// tagalong and its peers at the same work, side by side.
#[derive(Debug, clap::Parser)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// One core, no network: docs/benchmarks/in-process.json
    InProcess,
    /// One contender, for the others of these commands
    #[command(hide = true)]
    Contend(contend::Flags),
}

/// Does it. False where a floor is missed.
///
/// # Errors
/// Something does not work.
pub fn run(cli: Cli) -> io::Result<bool> {
    match cli.command {
        Command::InProcess => record::write("in-process.json", &in_process::run()?)?,
        Command::Contend(flags) => contend::run(&flags)?,
    }
    Ok(true)
}

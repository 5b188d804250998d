//! The command line.

use std::io;

use crate::page::{self, Records};
use crate::{agents, contend, floors, in_process, merging, over_http, record};

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
    /// Loopback HTTP: docs/benchmarks/over-http.json
    OverHttp,
    /// vmagent and Prometheus: docs/benchmarks/agents.json
    Agents {
        /// Keep the record's times, and only judge again what it says is wrong
        #[arg(long)]
        judge_again: bool,
    },
    /// Merging against expfmt's way; prints the promised figure
    Merge {
        /// How many bodies of medium are merged; expfmt's trees of 100 take gigabytes
        #[arg(long, default_value_t = 10)]
        copies: usize,
    },
    /// docs/benchmarks.md and its plots, from the records
    Page,
    /// The promised figures as JSON lines, from the records
    Floors,
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
        Command::OverHttp => record::write("over-http.json", &over_http::run()?)?,
        Command::Agents { judge_again } => {
            let record = match judge_again {
                true => agents::judge_again(record::read("agents.json")?)?,
                false => agents::run()?,
            };
            record::write("agents.json", &record)?;
        }
        Command::Page => {
            let docs = record::directory().join("..");
            page::write(&Records::read()?, &docs)?;
        }
        Command::Merge { copies } => return merging::run(copies),
        Command::Floors => return floors::print(&Records::read()?),
        Command::Contend(flags) => contend::run(&flags)?,
    }
    Ok(true)
}

//! `make bench-peers`: measures, records, and draws the page from the records.

use std::process::ExitCode;

use clap::Parser as _;
use tagalong_peers::cli;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tagalong_peers::say!("{error}");
            ExitCode::FAILURE
        }
    }
}

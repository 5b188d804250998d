//! `tagalong-operator`: see `--help`.

use clap::Parser as _;
use std::process::ExitCode;
use tagalong_operator::args::{Cli, Command};
use tagalong_operator::cli::{explain, probe, table, uninstall, values};
use tagalong_operator::operate;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = match cli.command {
        Some(Command::Explain { what }) => explain::run(&cli.operate, &what),
        Some(Command::Table { dataplane }) => table::run(&cli.operate, &dataplane),
        Some(Command::Ready { urls }) => probe::run(&urls),
        Some(Command::Values { what, namespace }) => values::run(&what, &namespace),
        Some(Command::Uninstall(how)) => uninstall::run(&cli.operate, &how),
        None => operate::run(&cli.operate),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

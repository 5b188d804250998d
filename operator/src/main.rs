//! `tagalong-operator`: see `--help`.

use clap::Parser as _;
use std::process::ExitCode;
use tagalong_operator::args::{Cli, Command};
use tagalong_operator::{ask, operate, ready, uninstall};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = match cli.command {
        Some(Command::Explain { what }) => ask::explained(&cli.operate, &what),
        Some(Command::Table { dataplane }) => ask::table(&cli.operate, &dataplane),
        Some(Command::Ready { urls }) => ready::run(&urls),
        Some(Command::Uninstall { deployment }) => {
            uninstall::run(&cli.operate, deployment.as_deref())
        }
        None => operate::run(&cli.operate),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

//! The stand-in for Kong Gateway as a program. Without a command it is the gateway that `KONG_*` describe, so that an
//! image of it stands in for `kong/kong-gateway`; `kong quit` ends it as a pod's preStop hook expects.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let outcome = match cli::Cli::parse().command.unwrap_or(cli::Command::Gateway) {
        cli::Command::Gateway => cli::gateway::run(),
        cli::Command::Quit(options) => cli::quit::run(&options),
        cli::Command::Capture(options) => cli::capture::run(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&*error);
            ExitCode::FAILURE
        }
    }
}

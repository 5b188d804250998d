//! `tagalong-webhook`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tagalong_webhook::by_hand::Command;
use tagalong_webhook::{Args, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match &args.command {
        Some(Command::Inject(by_hand)) => by_hand
            .run(&args.settings())
            .map_err(|error| error.to_string()),
        None => run(args).await.map_err(|error| error.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "tagalong-webhook: {error}");
            ExitCode::FAILURE
        }
    }
}

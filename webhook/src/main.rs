//! `tagalong-webhook`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tagalong_webhook::{Args, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "tagalong-webhook: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `tagalong-chart readme` regenerates the chart's README; `tagalong-chart helm ARGUMENTS…` runs the test bed's
//! Helm.

use std::process::ExitCode;
use tagalong_chart::{Result, directory, helm, readme};

#[allow(clippy::print_stderr, clippy::print_stdout, reason = "a command")]
fn main() -> ExitCode {
    match run() {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tagalong-chart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|first| first.to_str()) {
        Some("readme") => {
            let path = directory().join("README.md");
            std::fs::write(&path, readme::wanted()?)?;
            Ok(format!("{}\n", path.display()))
        }
        Some("helm") => helm::run(helm::command(None)?.args(arguments)),
        _ => Err("usage: tagalong-chart readme | helm ARGUMENTS...".into()),
    }
}

//! The sidecar's binary: flags, log, then [`tagalong_sidecar::run()`] until SIGTERM.

use std::io::Write as _;
use std::process::ExitCode;

use tagalong_sidecar::{Config, Exit, logging, run};

fn main() -> ExitCode {
    let outcome = Config::from_process().and_then(|config| {
        logging::init()?;
        run(config)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Shown(text)) => {
            // Nobody is left to tell when standard output is gone.
            let _ = write!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(Exit::Usage(why)) => {
            let _ = writeln!(std::io::stderr(), "tagalong-sidecar: {why}");
            ExitCode::from(64)
        }
        Err(Exit::Failed(why)) => {
            let _ = writeln!(std::io::stderr(), "tagalong-sidecar: {why}");
            ExitCode::from(71)
        }
    }
}

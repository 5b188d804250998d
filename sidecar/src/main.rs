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
        Err(Exit::Usage(why)) => fail(&why, 64),
        Err(Exit::Failed(why)) => fail(&why, 71),
    }
}

fn fail(why: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tagalong-sidecar: {why}");
    ExitCode::from(code)
}

//! The sidecar's binary: flags, then [`tagalong_sidecar::run()`] until SIGTERM.

use std::io::Write as _;
use std::process::ExitCode;

use tagalong_sidecar::{Config, Exit, run};

fn main() -> ExitCode {
    match Config::from_process().and_then(run) {
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

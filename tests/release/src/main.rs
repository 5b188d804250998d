//! `tagalong-release DIRECTORY` writes there, from `cargo metadata` and `Cargo.lock`:
//! for each binary that is shipped a CycloneDX bill of materials, and one file with the licences of all that is in them.

mod crates;
mod licences;
mod sbom;

use crates::Crates;
use std::path::PathBuf;
use std::process::ExitCode;

/// What went wrong, in words.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The binaries that are shipped; each is a package of that name.
const SHIPPED: [&str; 3] = ["tagalong-sidecar", "tagalong-operator", "tagalong-webhook"];

#[allow(clippy::print_stderr, clippy::print_stdout, reason = "a command")]
fn main() -> ExitCode {
    match run() {
        Ok(paths) => {
            for path in paths {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tagalong-release: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<PathBuf>> {
    let directory = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or("usage: tagalong-release DIRECTORY")?,
    );
    std::fs::create_dir_all(&directory)?;
    let crates = Crates::read()?;
    let mut written = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    for binary in SHIPPED {
        let path = directory.join(format!("{binary}-{version}.cdx.json"));
        std::fs::write(&path, sbom::of(&crates, binary)?)?;
        written.push(path);
    }
    let path = directory.join(format!("THIRD-PARTY-{version}.txt"));
    std::fs::write(&path, licences::of(&crates, &SHIPPED)?)?;
    written.push(path);
    Ok(written)
}

#[cfg(test)]
mod tests;

//! This workspace's own programs, built and as images.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::run;
use crate::error::{Error, Result};
use crate::image::Image;

/// The programs that are released, each in an image of its name.
pub const RELEASED: [&str; 3] = ["tagalong-operator", "tagalong-sidecar", "tagalong-webhook"];

/// Says that what is tested was built by the same call of cargo as all the programs: built alone they would be built with
/// other features, and so would half of what they use.
const BUILT: &str = "TAGALONG_BUILT";

/// Builds the binaries of these packages in the tests' profile, unless `TAGALONG_BUILT` says that they are, and returns
/// the directory that they are in. Blocks.
///
/// # Errors
///
/// When they do not build.
pub fn build(packages: &[&str]) -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--quiet", "--locked", "--bins"])
        .args(packages.iter().map(|name| format!("--package={name}")))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os(BUILT).is_none() {
        run(&format!("building {}", packages.join(", ")), command, "")?;
    }
    // A test is at <profile>/deps/<test>.
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .ok_or_else(|| Error::Unsupported(format!("{} is not a test's path", test.display())))
}

/// The image of a released program, as `make images` writes it.
///
/// # Errors
///
/// When the program or a library of it cannot be read.
pub fn image(program: &str, name: &str, binaries: &Path) -> Result<Image> {
    let target = format!("/usr/local/bin/{program}");
    let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    Ok(Image::new(name)
        .program(&binaries.join(program), &target)?
        .entrypoint(&[&target])
        .label("org.opencontainers.image.title", program)
        .label("org.opencontainers.image.version", tag)
        .label("org.opencontainers.image.licenses", "Apache-2.0"))
}

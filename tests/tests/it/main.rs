//! Tests of the whole, a module each; `on_bed` has those that need more than a Rust compiler.

use std::path::{Path, PathBuf};

mod house;
mod judge;
mod links;
mod on_bed;
mod recipes;
mod recorded;
mod workflows;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

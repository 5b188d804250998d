//! The Helm chart `charts/tagalong`, rendered by a real Helm and documented by its own comments.

pub mod flags;
pub mod helm;
pub mod readme;

use std::path::PathBuf;

/// What went wrong, in words.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where the chart is.
#[must_use]
pub fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "charts", "tagalong"]
        .iter()
        .collect()
}

/// A file of the chart.
///
/// # Errors
///
/// When it cannot be read.
pub fn file(name: &str) -> Result<String> {
    let path = directory().join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

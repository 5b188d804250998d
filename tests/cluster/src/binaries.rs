//! Where a binary comes from: the user's directory, the cache, or a build.
//!
//! Looked up in this order, and built only when nothing else has it:
//!
//! 1. `TAGALONG_BINARIES`, a directory of the user's own;
//! 2. `KUBEBUILDER_ASSETS`, for what envtest ships (etcd, kube-apiserver, kubectl);
//! 3. the cache, `${XDG_CACHE_HOME:-~/.cache}/tagalong/<tool>-<version>-<digest>/<tool>`.

mod build;
mod module;
mod recipe;

use std::path::{Path, PathBuf};

pub use recipe::Tool;

use crate::cache;
use crate::error::Result;

/// The path of a binary that runs, built first if need be. Blocks, for minutes at worst.
///
/// # Errors
///
/// When Go is missing or the build fails.
pub fn ensure(tool: Tool) -> Result<PathBuf> {
    if let Some(own) = provided(tool) {
        return Ok(own);
    }
    let module = module::Module::of(tool)?;
    let home = cache::root()?.join(module.key(tool));
    let path = home.join(tool.name());
    if !path.is_file() {
        build::build(tool, &module, &home)?;
    }
    Ok(path)
}

/// [`ensure`] for callers on an async runtime.
///
/// # Errors
///
/// As [`ensure`].
pub async fn ensured(tool: Tool) -> Result<PathBuf> {
    crate::blocking(move || ensure(tool)).await
}

/// The directory of the Go module `path` in Go's module cache, in the version that
/// `modules/<pin>/go.mod` requires; fetched first if need be and checked against the go.sum there.
///
/// # Errors
///
/// When Go is missing, or the module cannot be had.
pub fn go_module(pin: &str, path: &str) -> Result<PathBuf> {
    module::source(pin, path)
}

fn provided(tool: Tool) -> Option<PathBuf> {
    let from = |variable: &str| {
        let path = Path::new(&std::env::var_os(variable)?).join(tool.name());
        path.is_file().then_some(path)
    };
    from("TAGALONG_BINARIES").or_else(|| {
        tool.in_kubebuilder_assets()
            .then(|| from("KUBEBUILDER_ASSETS"))
            .flatten()
    })
}

//! The images on the node, and the size of ours.

use std::path::{Path, PathBuf};

use tagalong_cluster::{Cluster, programs};

use crate::Tried;
use crate::figures::at_most;

/// Names the directory of release binaries to make the images of, instead of ones in the tests' profile.
const RELEASE: &str = "TAGALONG_E2E_BINARIES";

/// The tag that the chart asks for.
const TAG: &str = env!("CARGO_PKG_VERSION");

/// The tag that an upgrade goes to.
pub const NEXT: &str = "0.0.0-next";

/// The promised size of an image.
const LARGEST_MB: f64 = 30.0;

/// Builds and loads all images.
///
/// # Errors
///
/// When one cannot be made or imported, or a released one is too large.
pub async fn load(cluster: &Cluster) -> Tried<()> {
    let release = std::env::var_os(RELEASE).map(PathBuf::from);
    let packages: &[&str] = match release {
        Some(_) => &["tagalong-kong"],
        None => &[
            "tagalong-kong",
            "tagalong-operator",
            "tagalong-sidecar",
            "tagalong-webhook",
        ],
    };
    let built = tokio::task::spawn_blocking(|| programs::build(packages)).await??;
    cluster.load_kong_images(&built).await?;
    for program in programs::RELEASED {
        let binaries = release.as_deref().unwrap_or(&built);
        for tag in [TAG, NEXT] {
            let image = programs::image(program, &format!("{program}:{tag}"), binaries)?;
            cluster.load_image(image).await?;
        }
        if release.is_some() {
            check_size(program, binaries)?;
        }
    }
    Ok(())
}

/// As a registry would hold it but uncompressed: what a node has to unpack at most.
fn check_size(program: &str, binaries: &Path) -> Tried<()> {
    let archive = programs::image(program, program, binaries)?.archive()?;
    #[expect(clippy::cast_precision_loss, reason = "a size in MB needs no more")]
    let megabytes = archive.len() as f64 / 1e6;
    let figure = match program {
        "tagalong-operator" => "size of the operator's image",
        "tagalong-sidecar" => "size of the sidecar's image",
        _ => "size of the webhook's image",
    };
    if at_most(figure, megabytes, "MB", LARGEST_MB)? {
        Ok(())
    } else {
        Err(format!("{program}: an image of {megabytes:.1} MB").into())
    }
}

//! Objects from YAML files instead of a cluster.

use crate::world::World;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tagalong_index::Manifests;

/// A file or directory that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {reason}", path = path.display())]
pub struct Unreadable {
    path: PathBuf,
    reason: String,
}

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct LoadedManifests {
    manifests: Manifests,
    texts: Vec<(PathBuf, String)>,
}

/// Reads every `.yaml`, `.yml` and `.json` file of `dir`, in the order of their names; not those of
/// directories in it.
///
/// # Errors
///
/// When a file cannot be read, or is no YAML.
pub fn load(dir: &Path) -> Result<LoadedManifests, Unreadable> {
    let texts = texts(dir)?;
    let mut documents = Vec::new();
    for (path, text) in &texts {
        let read: Result<Vec<Value>, _> =
            serde_saphyr::from_multiple_with_options(text, whole_clusters());
        documents.extend(read.map_err(|error| Unreadable {
            path: path.clone(),
            reason: error.to_string(),
        })?);
    }
    let manifests = Manifests::read(documents).with_operators();
    Ok(LoadedManifests { manifests, texts })
}

impl LoadedManifests {
    /// Puts the objects into `world`, and takes out what was there before. Says which could not be read, and which have no
    /// meaning here.
    pub fn into_world(&self, world: &World) {
        let passed_over = &self.manifests.passed_over;
        if !passed_over.is_empty() {
            let kinds = passed_over
                .iter()
                .map(|(kind, count)| format!("{kind} ({count})"));
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            tracing::warn!(kinds, "ignored in the manifests: kinds that give no name");
        }
        for problem in &self.manifests.problems {
            tracing::warn!(problem, "left out of the manifests");
        }
        world.replace(&self.manifests.objects);
    }

    /// What the directory holds now, if it is not this.
    ///
    /// # Errors
    ///
    /// As [`load`].
    pub fn changed(&self, dir: &Path) -> Result<Option<Self>, Unreadable> {
        if texts(dir)? == self.texts {
            return Ok(None);
        }
        load(dir).map(Some)
    }
}

/// The reader's own limits (1,024 documents, 250,000 nodes) are less than a dump of a large cluster has. Those on aliases,
/// with which a small file grows, stay.
fn whole_clusters() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: usize::MAX,
            max_nodes: usize::MAX,
            max_events: usize::MAX,
        },
    }
}

fn texts(dir: &Path) -> Result<Vec<(PathBuf, String)>, Unreadable> {
    let failed = |path: &Path, error: std::io::Error| Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let entries = std::fs::read_dir(dir).map_err(|error| failed(dir, error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    });
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        Ok((path, text))
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;

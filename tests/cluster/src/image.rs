//! Container images from files on this machine, without a container tool and without a registry.
//!
//! An image is one uncompressed layer in a tar archive that is at once an OCI layout (`ctr`, `kind`,
//! containerd) and what `docker save` writes (`docker load`). The same files give the same bytes: entries
//! are sorted, owned by root and dated 1970.

mod libraries;
mod tar;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, at};

/// Who runs in an image, unless told otherwise: the number that distroless images call `nonroot`.
const NONROOT: &str = "65532:65532";

/// An image in the making.
#[derive(Clone, Debug)]
pub struct Image {
    name: String,
    user: String,
    entrypoint: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<String>,
    labels: BTreeMap<String, String>,
    files: BTreeMap<String, File>,
}

#[derive(Clone, Debug)]
struct File {
    mode: u32,
    /// `None` is a directory.
    contents: Option<Vec<u8>>,
}

impl Image {
    /// An empty one. `name` has a tag, and no name of a registry that could serve it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            user: NONROOT.to_owned(),
            entrypoint: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            labels: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// The name it was made with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an executable of this machine at the path `target`, with the shared libraries and the loader
    /// that it is linked to at the paths they have here.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or `ldd` misses a library.
    pub fn program(mut self, source: &Path, target: &str) -> Result<Self> {
        for library in libraries::of(source)? {
            let path = library.display().to_string();
            self = self.copy(&library, &path, 0o755)?;
        }
        self.copy(source, target, 0o755)
    }

    /// Adds a copy of a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn copy(self, source: &Path, target: &str, mode: u32) -> Result<Self> {
        let contents = std::fs::read(source).map_err(at(source))?;
        Ok(self.file(target, contents, mode))
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, target: &str, contents: impl Into<Vec<u8>>, mode: u32) -> Self {
        self = self.parents(target);
        let contents = Some(contents.into());
        self.files.insert(relative(target), File { mode, contents });
        self
    }

    /// Adds an empty directory, for instance `/tmp` with 0o1777.
    #[must_use]
    pub fn directory(mut self, target: &str, mode: u32) -> Self {
        self = self.parents(target);
        let contents = None;
        self.files.insert(relative(target), File { mode, contents });
        self
    }

    /// What runs, and what comes before the arguments of a pod.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Arguments for when a pod has none.
    #[must_use]
    pub fn arguments(mut self, words: &[&str]) -> Self {
        self.arguments = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// Sets a label such as `org.opencontainers.image.version`.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// `uid:gid`, in numbers, so that `runAsNonRoot` can be checked.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// When a path is too long for a tar header or the file cannot be written.
    pub fn write(&self, archive: &Path) -> Result<()> {
        std::fs::write(archive, self.archive()?).map_err(at(archive))
    }

    /// The archive's bytes.
    ///
    /// # Errors
    ///
    /// When a path is too long for a tar header.
    pub fn archive(&self) -> Result<Vec<u8>> {
        let mut layer = tar::Writer::default();
        for (path, file) in &self.files {
            match &file.contents {
                Some(contents) => layer.file(path, contents, file.mode)?,
                None => layer.directory(path, file.mode)?,
            }
        }
        let layer = layer.finish();
        let config = self.config(&layer).to_string().into_bytes();
        let manifest = manifest(&config, &layer).to_string().into_bytes();
        let index = self.index(&manifest).to_string();
        let docker = self.docker(&config, &layer).to_string();

        let mut archive = tar::Writer::default();
        let mut blobs = BTreeMap::new();
        for blob in [&layer, &config, &manifest] {
            blobs.insert(blob_path(blob), blob);
        }
        archive.directory("blobs", 0o755)?;
        archive.directory("blobs/sha256", 0o755)?;
        for (path, blob) in blobs {
            archive.file(&path, blob, 0o644)?;
        }
        archive.file("index.json", index.as_bytes(), 0o644)?;
        archive.file("manifest.json", docker.as_bytes(), 0o644)?;
        archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        Ok(archive.finish())
    }

    fn config(&self, layer: &[u8]) -> Value {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let environment: Vec<&String> = std::iter::once(&path).chain(&self.environment).collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "Cmd": self.arguments,
                "Env": environment,
                "Labels": self.labels,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        })
    }

    fn index(&self, manifest: &[u8]) -> Value {
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": MANIFEST,
                "digest": digest(manifest),
                "size": manifest.len(),
                "platform": {"architecture": architecture(), "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": reference(&self.name),
                    "org.opencontainers.image.ref.name": tag,
                },
            }],
        })
    }

    fn docker(&self, config: &[u8], layer: &[u8]) -> Value {
        json!([{"Config": blob_path(config), "RepoTags": [self.name], "Layers": [blob_path(layer)]}])
    }

    fn parents(mut self, target: &str) -> Self {
        let path = relative(target);
        for (slash, _) in path.match_indices('/') {
            let directory = File {
                mode: 0o755,
                contents: None,
            };
            self.files
                .entry(path[..slash].to_owned())
                .or_insert(directory);
        }
        self
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest(config: &[u8], layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": digest(layer),
            "size": layer.len(),
        }],
    })
}

/// As container runtimes spell a name out: a kubelet asks for `kong/kong-gateway:3.10` under
/// `docker.io/kong/kong-gateway:3.10`.
fn reference(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn blob_path(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn relative(path: &str) -> String {
    path.trim_matches('/').to_owned()
}

/// An error about the image's own contents.
fn unfit(detail: String) -> Error {
    Error::Command {
        what: "making an image".to_owned(),
        detail,
    }
}

#[cfg(test)]
mod tests;

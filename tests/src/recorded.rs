//! 400 random worlds and what eight of Kong's translators made of each (`tests/data/translators`).

use std::io::{BufRead as _, BufReader, Error, Result};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::judge::Answer;

/// A cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct World {
    /// Its number.
    pub world: String,
    /// The DataPlane whose table is asked for, as `NAMESPACE/NAME`.
    pub dataplane: String,
    /// What there is, as an API server answers it.
    pub objects: Vec<Value>,
}

impl World {
    /// Whether there is a Service of this name, as `NAMESPACE/NAME`.
    #[must_use]
    pub fn has_service(&self, service: &str) -> bool {
        self.objects.iter().any(|object| {
            let metadata = &object["metadata"];
            object["kind"] == "Service"
                && service.split_once('/')
                    == metadata["namespace"]
                        .as_str()
                        .zip(metadata["name"].as_str())
        })
    }
}

/// The worlds, in order.
///
/// # Errors
///
/// When the file cannot be read.
pub fn worlds() -> Result<Vec<World>> {
    lines("worlds.jsonl.gz")
}

/// What each translator made of each world.
///
/// # Errors
///
/// When the file cannot be read.
pub fn answers() -> Result<Vec<Answer>> {
    lines("truth.jsonl.gz")
}

fn lines<T: DeserializeOwned>(name: &str) -> Result<Vec<T>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/translators")
        .join(name);
    let file = BufReader::new(MultiGzDecoder::new(std::fs::File::open(path)?));
    file.lines()
        .map(|line| serde_json::from_str(&line?).map_err(Error::from))
        .collect()
}

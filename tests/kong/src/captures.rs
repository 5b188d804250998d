//! What a real Kong sent: the files of `tests/data/kong-metrics`, described in the README there.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// The folder of the captures, in this source tree.
pub fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/kong-metrics")
}

/// The names of all captured bodies, such as `small` and `large`, sorted.
///
/// # Errors
///
/// If the folder of the captures cannot be read.
pub fn names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in captures().read_dir()? {
        let file = entry?.file_name();
        let Some(file) = file.to_str() else { continue };
        if let Some(name) = file
            .strip_suffix(".txt")
            .or_else(|| file.strip_suffix(".txt.gz"))
        {
            // `large.headers.txt` and its like are no bodies.
            if !name.ends_with(".headers") {
                names.push(name.to_owned());
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The captured body `name`, such as `small`.
///
/// # Errors
///
/// If there is no such capture, or it cannot be read.
pub fn text(name: &str) -> io::Result<Bytes> {
    read(&format!("{name}.txt"))
}

/// The whole captured answer `name`: status line, headers and the raw chunked framing.
///
/// # Errors
///
/// If there is no such capture (`large` has none), or it cannot be read.
pub fn raw(name: &str) -> io::Result<Bytes> {
    read(&format!("{name}.http"))
}

/// A file of the captures by its name without `.gz`; gunzipped where it is stored so.
///
/// # Errors
///
/// If there is no such file, or it cannot be read.
pub fn read(file: &str) -> io::Result<Bytes> {
    let plain = captures().join(file);
    let named = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    if plain.exists() {
        return std::fs::read(&plain)
            .map(Bytes::from)
            .map_err(|error| named(&plain, error));
    }
    let zipped = captures().join(format!("{file}.gz"));
    let mut bytes = Vec::new();
    std::fs::File::open(&zipped)
        .and_then(|file| flate2::read::GzDecoder::new(file).read_to_end(&mut bytes))
        .map_err(|error| named(&zipped, error))?;
    Ok(Bytes::from(bytes))
}

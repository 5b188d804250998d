//! The pinned Go modules in `modules/`: versions, cache keys, sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::recipe::Tool;
use crate::error::{Error, Result, at};

/// The module that a tool is built in.
pub(super) struct Module {
    pub directory: PathBuf,
    /// Version of the tool, as the go.mod requires it, such as `v1.36.3`.
    pub version: String,
    /// The oldest Go, as the go.mod has it.
    pub go: String,
    contents: String,
}

impl Module {
    pub fn of(tool: Tool) -> Result<Self> {
        let recipe = tool.recipe();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("modules")
            .join(recipe.module);
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(at(path))
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let missing = |what: &str| Error::Command {
            what: format!("reading {}/go.mod", directory.display()),
            detail: format!("no line `{what}`"),
        };
        let version = required(&go_mod, recipe.requires)
            .ok_or_else(|| missing(recipe.requires))?
            .to_owned();
        let go = directive(&go_mod, "go")
            .ok_or_else(|| missing("go"))?
            .to_owned();
        let mut contents = go_mod + &go_sum;
        // Go files of ours, if there are any.
        let package = recipe.package.strip_prefix("./");
        let ours = recipe.inside.or(package);
        for file in files(ours.map(|ours| directory.join(ours)))? {
            contents += &std::fs::read_to_string(&file).map_err(at(&file))?;
        }
        Ok(Self {
            directory,
            version,
            go,
            contents,
        })
    }

    /// Where to build: the pinned module, or a copy in `home` of the tool's own with our files in it.
    pub fn workspace(&self, tool: Tool, home: &Path) -> Result<PathBuf> {
        let recipe = tool.recipe();
        let Some(ours) = recipe.inside else {
            return Ok(self.directory.clone());
        };
        let copy = home.join("source");
        copy_all(&source(recipe.module, recipe.requires)?, &copy)?;
        let package = copy.join(recipe.package);
        std::fs::create_dir_all(&package).map_err(at(&package))?;
        for file in files(Some(self.directory.join(ours)))? {
            let to = package.join(file.file_name().unwrap_or_default());
            std::fs::copy(&file, &to).map_err(at(&to))?;
        }
        Ok(copy)
    }

    /// Names what is in the cache: it changes with anything that can change the binary.
    pub fn key(&self, tool: Tool) -> String {
        let recipe = tool.recipe();
        let digest = Sha256::new()
            .chain_update(&self.contents)
            .chain_update(tool.ldflags(&self.version))
            .chain_update(recipe.tags)
            .chain_update(recipe.package)
            .finalize();
        let digest: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}-{}-{digest}", recipe.name, self.version)
    }
}

/// The files in a directory, if there is one, by name.
fn files(directory: Option<PathBuf>) -> Result<Vec<PathBuf>> {
    let Some(directory) = directory else {
        return Ok(Vec::new());
    };
    let entries = std::fs::read_dir(&directory).map_err(at(&directory))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(at(&directory))?;
    paths.sort();
    Ok(paths)
}

/// Copies a directory from Go's module cache, where everything is read-only.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(at(to))?;
    for path in files(Some(from.to_owned()))? {
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_all(&path, &copy)?;
        } else {
            let contents = std::fs::read(&path).map_err(at(&path))?;
            std::fs::write(&copy, contents).map_err(at(&copy))?;
        }
    }
    Ok(())
}

/// The version after `path` in a `require`.
fn required<'a>(go_mod: &'a str, path: &str) -> Option<&'a str> {
    go_mod
        .lines()
        .take_while(|line| !line.starts_with("replace"))
        .find_map(|line| {
            let mut words = line
                .trim()
                .trim_start_matches("require ")
                .split_whitespace();
            (words.next() == Some(path)).then(|| words.next())?
        })
        .filter(|version| version.starts_with('v'))
}

fn directive<'a>(go_mod: &'a str, name: &str) -> Option<&'a str> {
    go_mod
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

/// Fetches the source of the Go module `path` that `modules/<pin>/go.mod` requires.
pub(super) fn source(pin: &str, path: &str) -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("modules")
        .join(pin);
    let go_mod = directory.join("go.mod");
    let text = std::fs::read_to_string(&go_mod).map_err(at(&go_mod))?;
    let failed = |detail: String| Error::Command {
        what: format!("fetching the Go module {path}"),
        detail,
    };
    let version = required(&text, path)
        .ok_or_else(|| failed(format!("{} does not require it", go_mod.display())))?;
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .current_dir(&directory)
        .output()
        .map_err(|error| failed(format!("`go` does not run: {error}")))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match (answer["Dir"].as_str(), answer["Error"].as_str()) {
        (Some(dir), _) => Ok(dir.into()),
        (None, Some(error)) => Err(failed(error.to_owned())),
        (None, None) => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

#[cfg(test)]
mod tests;

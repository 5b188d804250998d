//! The shared libraries and the loader of a program, as `ldd` lists them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::unfit;
use crate::error::{Result, at};

/// None for a static program.
pub(super) fn of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .map_err(at("ldd"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("not a dynamic executable") || text.contains("statically linked") {
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(unfit(format!("ldd {}: {complaint}", program.display())));
    }
    parse(&text).map_err(|missing| unfit(format!("{} needs {missing}", program.display())))
}

/// Lines are `NAME => PATH (0x…)`, `LOADER (0x…)`, `linux-vdso.so.1 (0x…)` or `NAME => not found`.
pub(super) fn parse(text: &str) -> Result<Vec<PathBuf>, String> {
    let mut libraries = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.ends_with("not found") {
            return Err(line.to_owned());
        }
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let path = path.split(" (").next().unwrap_or(path);
        if path.starts_with('/') {
            libraries.push(path.into());
        }
    }
    Ok(libraries)
}

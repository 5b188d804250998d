//! Builds one binary with `go build` and puts it into the cache.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::module::Module;
use super::recipe::Tool;
use crate::cache;
use crate::error::{Error, Result, at};

/// How often a long build says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Lines of compiler output worth showing.
const TAIL: usize = 25;

/// Builds `tool` into the directory `home`. One build at a time for the whole cache: linking takes
/// 2 GB of memory, and Go uses every core anyway.
pub(super) fn build(tool: Tool, module: &Module, home: &Path) -> Result<()> {
    let _lock = cache::lock("build.lock", || {
        say(&format!("waiting for another build before {}", tool.name()));
    })?;
    if home.is_dir() {
        return Ok(());
    }
    check_go(tool, module)?;

    let partial = home.with_file_name(format!("{}.partial", tool.name()));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(at(&partial))?;
    let binary = partial.join(tool.name());
    let log = partial.join("build.log");
    say(&format!(
        "building {} {} into {} (once; about {} s on two cores)",
        tool.name(),
        module.version,
        home.display(),
        tool.recipe().seconds,
    ));
    let started = Instant::now();
    let workspace = module.workspace(tool, &partial)?;
    compile(tool, module, &workspace, &binary, &log)?;
    check_runs(tool, module, &binary)?;
    let size = fs::metadata(&binary).map_err(at(&binary))?.len();
    say(&format!(
        "built {} in {} s, {} MB",
        tool.name(),
        started.elapsed().as_secs(),
        size / 1_000_000
    ));
    let _ = fs::remove_file(&log);
    if workspace.starts_with(&partial) {
        let _ = fs::remove_dir_all(&workspace);
    }
    fs::rename(&partial, home).map_err(at(home))
}

fn check_go(tool: Tool, module: &Module) -> Result<()> {
    Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .map(drop)
        .map_err(|source| Error::NoGo {
            tool: tool.name(),
            needed: module.go.clone(),
            source,
        })
}

fn compile(tool: Tool, module: &Module, workspace: &Path, binary: &Path, log: &Path) -> Result<()> {
    let recipe = tool.recipe();
    let output = File::create(log).map_err(at(log))?;
    let mut child = Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-ldflags", &tool.ldflags(&module.version)])
        .args(["-tags", recipe.tags])
        .arg("-o")
        .arg(binary)
        .arg(recipe.package)
        .current_dir(workspace)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(at(log))?)
        .stderr(output)
        .spawn()
        .map_err(|source| Error::NoGo {
            tool: tool.name(),
            needed: module.go.clone(),
            source,
        })?;
    let started = Instant::now();
    let mut said = started;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(at("go build"))? {
            break status;
        }
        if said.elapsed() >= HEARTBEAT {
            said = Instant::now();
            say(&format!(
                "still building {}: {} s",
                tool.name(),
                started.elapsed().as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    if status.success() {
        return Ok(());
    }
    Err(failure(tool, module, &read_all(log)))
}

/// A binary that does not start here must not get into the cache.
fn check_runs(tool: Tool, module: &Module, binary: &Path) -> Result<()> {
    let output = Command::new(binary)
        .args(tool.recipe().check)
        .stdin(Stdio::null())
        .output()
        .map_err(at(binary))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // prometheus-adapter has no version to tell, and takes a question for help as a mistake.
    if output.status.success() || said.contains("Usage of ") {
        return Ok(());
    }
    Err(failure(tool, module, &said))
}

fn failure(tool: Tool, module: &Module, output: &str) -> Error {
    let lines: Vec<&str> = output.lines().collect();
    Error::Build {
        tool: tool.name(),
        module: module.directory.clone(),
        tail: lines[lines.len().saturating_sub(TAIL)..].join("\n"),
    }
}

fn read_all(path: &Path) -> String {
    let mut text = String::new();
    let _ = File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    text
}

/// Straight to the terminal: the test harness would hold back what goes through `eprintln!` until
/// the test is over, and minutes of silence look like a hang.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "tagalong-cluster: {line}");
}

//! The machine on which the figures were taken.

use std::collections::BTreeMap;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The compiler of this crate and of all Rust that is measured.
pub const RUSTC: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), " (bench profile)");

/// Machine, versions and other load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's own name.
    pub cpu: String,
    /// Cores that the driver may use: all, or the one beside what is measured.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// The Rust compiler.
    pub rustc: String,
    /// The Go compiler.
    pub go: String,
    /// The commit of this tree, with `+` where files differed from it.
    pub commit: String,
    /// When it began.
    pub began: String,
    /// When it ended.
    pub ended: String,
    /// Runnable tasks over the last minute when it began, what was measured not yet among them.
    pub load_before: f64,
    /// The same at the end, what was measured among them.
    pub load_after: f64,
}

impl Machine {
    /// Looked at now.
    #[must_use]
    pub fn now() -> Self {
        let info = read("/proc/cpuinfo");
        let named = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let total = read("/proc/meminfo");
        let kib = total
            .split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok());
        let changed = told(
            "git",
            &[
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                "sidecar",
                "tests/peers",
            ],
        );
        let plus = if changed.is_empty() { "" } else { "+" };
        Self {
            cpu: named("model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib.unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: told("rustc", &["--version"]),
            go: told("go", &["env", "GOVERSION"]),
            commit: told("git", &["rev-parse", "--short=12", "HEAD"]) + plus,
            began: clock(),
            ended: String::new(),
            load_before: load(),
            load_after: f64::NAN,
        }
    }

    /// Notes the end.
    #[must_use]
    pub fn ended(self) -> Self {
        Self {
            ended: clock(),
            load_after: load(),
            ..self
        }
    }
}

/// Fetches a module of Go's. Where it cannot be had, the error is the client's own words, without addresses.
///
/// # Errors
/// It cannot be had.
pub fn go_module(path: &str) -> Result<(), String> {
    let answer = Command::new("go")
        .args(["mod", "download", "-json", path])
        .output()
        .map_err(|error| error.to_string())?;
    let answer: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&answer.stdout).unwrap_or_default();
    match answer.get("Error").and_then(|error| error.as_str()) {
        None => Ok(()),
        Some(error) => {
            let words: Vec<_> = error
                .split_whitespace()
                .filter(|word| !word.contains("://"))
                .collect();
            Err(words.join(" "))
        }
    }
}

fn clock() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%d %H:%M UTC")
        .to_string()
}

fn load() -> f64 {
    let load = read("/proc/loadavg");
    let first = load.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(f64::NAN)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

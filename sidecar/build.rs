//! Tells the binary which commit it is built from: `TAGALONG_COMMIT` if set, else what git says, else `unknown`.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TAGALONG_COMMIT");
    // A release must name its commit; for a development build the branch's file is enough, lest each commit rebuilds.
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let watched = if release {
        "../.git/logs/HEAD"
    } else {
        "../.git/HEAD"
    };
    if Path::new(watched).exists() {
        println!("cargo::rerun-if-changed={watched}");
    }
    let commit = env::var("TAGALONG_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(ask_git)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=TAGALONG_BUILD_COMMIT={commit}");
}

fn ask_git() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    let commit = commit.trim();
    (output.status.success() && !commit.is_empty()).then(|| commit.to_owned())
}

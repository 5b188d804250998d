//! The binary: how it starts, what it says, how it ends.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::{NO_LABELS, request, until};
use tagalong_kong::CaptureKong;

fn sidecar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagalong-sidecar"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAGALONG_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn labels(directory: &Path, text: &str) -> String {
    let file = directory.join("labels.json");
    std::fs::write(&file, text).expect("written");
    file.display().to_string()
}

/// Runs to the end, which must come at once: what it was told cannot be.
fn refused(command: &mut Command) -> String {
    ended(command, 64)
}

fn ended(command: &mut Command, code: i32) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let told = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.code(), Some(code), "{told}");
    assert!(stdout.is_empty());
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    told
}

struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> (Self, String) {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        (Self { child, log }, line)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("UTF-8");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

#[test]
fn what_is_wrong_at_the_start_is_one_line_and_64() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = labels(directory.path(), NO_LABELS);
    let told = refused(sidecar().args(["--labels-file", &good, "--listen", "nowhere"]));
    assert!(told.contains("--listen"), "{told}");
    let told = refused(&mut sidecar());
    assert!(
        told.contains("--labels-url") && told.contains("--labels-file"),
        "{told}"
    );
    let told = refused(
        sidecar()
            .args(["--labels-file", &good])
            .env("TAGALONG_KONG_METRICS_URL", "kong"),
    );
    assert!(told.contains("--kong-metrics-url"), "{told}");
    let told = refused(
        sidecar()
            .args(["--labels-file", "/nonexistent/labels.json"])
            .args(["--listen", "127.0.0.1:0"]),
    );
    assert!(
        told.contains("--labels-file /nonexistent/labels.json: No such file"),
        "{told}"
    );
    let told = refused(
        sidecar()
            .args(["--labels-file", &good])
            .env("TAGALONG_LOG_FORMAT", "xml"),
    );
    assert!(told.contains("--log-format"), "{told}");
    let told = refused(
        sidecar()
            .args(["--labels-file", &good])
            .env("TAGALONG_LOG", "tagalong=loud"),
    );
    assert!(told.contains("--log"), "{told}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let busy = &mut sidecar();
    let told = ended(
        busy.args(["--labels-file", &good, "--listen", &address]),
        71,
    );
    assert!(
        told.contains(&format!("--listen {address}: Address already in use")),
        "{told}"
    );

    let bad = labels(
        directory.path(),
        "{\n  \"type\": \"SNAPSHOT\",\n  \"version\": one\n}\n",
    );
    let told = refused(sidecar().args(["--labels-file", &bad, "--listen", "127.0.0.1:0"]));
    assert!(
        told.contains(&format!("--labels-file {bad}:3:14: expected value")),
        "{told}"
    );
}

#[test]
fn an_empty_variable_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = labels(directory.path(), NO_LABELS);
    let mut command = sidecar();
    command.env("TAGALONG_LABELS_FILE", &file);
    for name in ["KONG_METRICS_URL", "LABELS_URL", "TOKEN_FILE", "CA_FILE"] {
        command.env(format!("TAGALONG_{name}"), "");
    }
    let (process, line) = Running::start(command.args(["--listen", "127.0.0.1:0"]));
    assert!(line.contains("serving /metrics"), "{line}");
    process.signal("-TERM");
    assert_eq!(process.end().0, Some(0));
    // On the command line it is a mistake.
    let told = refused(sidecar().args(["--labels-url", "", "--token-file", "t", "--ca-file", "c"]));
    assert!(told.contains("--labels-url"), "{told}");
}

#[test]
fn help_and_version() {
    for (flag, told) in [
        ("--help", "--kong-metrics-url <URL>"),
        (
            "--version",
            concat!("tagalong-sidecar ", env!("CARGO_PKG_VERSION"), " ("),
        ),
    ] {
        let output = sidecar().arg(flag).output().expect("it runs");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains(told), "{text}");
    }
}

#[tokio::test]
async fn sigterm_ends_it_well_after_what_is_in_flight() {
    let kong = CaptureKong::builder()
        .capture("medium")
        .start()
        .await
        .expect("a Kong");
    let directory = tempfile::tempdir().expect("a directory");
    let (process, line) = Running::start(
        sidecar()
            .args(["--listen", "127.0.0.1:0", "--kong-metrics-url", &kong.url()])
            .env("TAGALONG_LABELS_FILE", labels(directory.path(), NO_LABELS))
            .env("TAGALONG_LOG_FORMAT", "json"),
    );
    let started: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(started["message"], "serving /metrics");
    let address = started["listen"]
        .as_str()
        .expect("where")
        .parse()
        .expect("an address");
    kong.behave(|behaviour| behaviour.first_byte_delay = std::time::Duration::from_millis(700));
    let scrape = tokio::spawn(common::ask(address, request("GET", "/metrics")));
    until("Kong is asked", async || kong.scrapes_now() == 1).await;
    process.signal("-TERM");
    assert!(scrape.await.expect("a reply").parts().0 == kong.bytes());
    let (code, log) = tokio::task::spawn_blocking(|| process.end())
        .await
        .expect("no panic");
    assert_eq!(code, Some(0));
    assert!(log.contains("\"stopped\""), "{log}");
}

#[test]
fn an_idle_one_ends_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = labels(directory.path(), NO_LABELS);
    for signal in ["-TERM", "-INT"] {
        let (process, line) =
            Running::start(sidecar().args(["--listen", "127.0.0.1:0", "--labels-file", &file]));
        assert!(line.contains("serving /metrics"), "{line}");
        process.signal(signal);
        assert_eq!(process.end().0, Some(0));
    }
}

#[tokio::test]
async fn the_log_tells_changes_and_not_each_scrape() {
    let kong = CaptureKong::builder()
        .error()
        .start()
        .await
        .expect("a Kong");
    let directory = tempfile::tempdir().expect("a directory");
    let (process, line) = Running::start(
        sidecar()
            .args(["--listen", "127.0.0.1:0", "--kong-metrics-url", &kong.url()])
            .args(["--labels-file", &labels(directory.path(), NO_LABELS)])
            .env("TAGALONG_LOG_FORMAT", "json"),
    );
    let started: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let address = started["listen"]
        .as_str()
        .expect("where")
        .parse()
        .expect("an address");
    for fails in [true, false] {
        kong.behave(|behaviour| behaviour.error = fails);
        for _ in 0..3 {
            common::ask(address, request("GET", "/metrics")).await;
        }
    }
    process.signal("-TERM");
    let (_, log) = tokio::task::spawn_blocking(|| process.end())
        .await
        .expect("no panic");
    assert_eq!(log.matches("answered 500").count(), 1, "{log}");
    assert_eq!(log.matches("can be scraped again").count(), 1, "{log}");
}

//! The program itself, on files: questions, and labels on loopback.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tagalong_wire::{Message, Snapshot};

const TIMEOUT: Duration = Duration::from_secs(60);

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/published-example")
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagalong-operator"));
    command.args(arguments);
    command
}

fn said(arguments: &[&str]) -> (bool, String, String) {
    let dir = example().display().to_string();
    let mut all = arguments.to_vec();
    all.extend(["--manifests", &dir]);
    let output = program(&all).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn table_prints_what_a_sidecar_gets() {
    let (success, out, err) = said(&["table", "default/kong"]);
    assert!(success, "{err}");
    let table = Snapshot::from_file(out.as_bytes()).expect("one SNAPSHOT message");
    assert!(
        table
            .services
            .0
            .values()
            .any(|service| service.to_string() == "default/echo"),
        "{out}"
    );
}

#[test]
fn table_of_nothing_says_what_there_is() {
    let (success, _, err) = said(&["table", "default/none"]);
    assert!(!success);
    assert!(
        err.contains("default/none") && err.contains("default/kong"),
        "{err}"
    );
    let (success, _, err) = said(&["table", "kong"]);
    assert!(!success);
    assert!(err.contains("namespace/name"), "{err}");
}

#[test]
fn explain_knows_names_and_services() {
    let (_, table, _) = said(&["table", "default/kong"]);
    let table = Snapshot::from_file(table.as_bytes()).expect("one SNAPSHOT message");
    let (name, _) = table.services.iter().next().expect("a name");
    let (success, out, err) = said(&["explain", name]);
    assert!(success, "{err}");
    assert!(
        out.contains("default/echo") && out.contains("HTTPRoute"),
        "{out}"
    );
    for service in ["service/echo", "service/default/echo"] {
        let (success, out, err) = said(&["explain", service]);
        assert!(success, "{err}");
        assert!(out.contains(name), "{out}");
    }
    let (success, out, _) = said(&["explain", "no.such.name"]);
    assert!(success && out.contains("no.such.name"), "{out}");
}

/// Ended with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn labels_on_loopback_follow_the_files() {
    let dir = tempfile::tempdir().expect("a directory");
    for file in std::fs::read_dir(example()).expect("the example").flatten() {
        std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("copied");
    }
    let mut command = program(&[
        "--log-format=json",
        "--push-address=0.0.0.0:0",
        "--metrics-address=127.0.0.1:0",
    ]);
    command
        .args(["--admin-address=127.0.0.1:0", "--manifests"])
        .arg(dir.path());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let log = BufReader::new(child.stderr.take().expect("a pipe"));
    let running = Running(child);
    let address = log.lines().map_while(Result::ok).find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        let pushes = line["message"].as_str()?.starts_with("pushes labels");
        pushes.then(|| line["address"].as_str().map(str::to_owned))?
    });
    let address = address.expect("it says where it listens");
    assert!(
        address.starts_with("127.0.0.1:"),
        "never off this machine: {address}"
    );

    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
        .write_all(b"GET /v1/labels HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("asked");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut next = || {
        lines.find_map(|line| {
            line.starts_with('{')
                .then(|| Message::parse(line.as_bytes()).expect("a message"))
        })
    };
    let Some(Message::Snapshot(snapshot)) = next() else {
        panic!("no snapshot")
    };
    assert!(!snapshot.services.is_empty());
    let more = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: late}
spec: {ingressClassName: kong, defaultBackend: {service: {name: echo, port: {number: 1027}}}}
";
    std::fs::write(dir.path().join("late.yaml"), more).expect("written");
    let delta = std::iter::from_fn(next).find_map(|message| match message {
        Message::Delta(delta) => Some(delta),
        _ => None,
    });
    let delta = delta.expect("a delta");
    assert!(
        delta.set.services.0.contains_key("default.echo.1027"),
        "{delta:?}"
    );
    drop(running);
}

#[test]
fn without_cluster_and_files_it_says_what_to_do() {
    let output = program(&["table", "a/b"])
        .env("KUBECONFIG", "/nonexistent")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output();
    let output = output.expect("it runs");
    let mut said = String::new();
    output
        .stderr
        .as_slice()
        .read_to_string(&mut said)
        .expect("text");
    assert!(
        !output.status.success() && said.contains("--manifests"),
        "{said}"
    );
}

/// An answer of the metrics port costs memory: they are few at once.
#[test]
fn a_crowd_at_the_metrics_port_waits() {
    let dir = example().display().to_string();
    let mut command = program(&["--log-format=json", "--push-address=127.0.0.1:0"]);
    command.args([
        "--metrics-address=127.0.0.1:0",
        "--admin-address=127.0.0.1:0",
    ]);
    command.args(["--manifests", &dir]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let log = BufReader::new(child.stderr.take().expect("a pipe"));
    let _running = Running(child);
    let mut log = log.lines().map_while(Result::ok);
    let address = log.find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        let listens = line["message"] == "metrics server listens";
        listens.then(|| line["address"].as_str().map(str::to_owned))?
    });
    let address = address.expect("it says where it listens");
    let connect = || TcpStream::connect(&address).expect("it listens");
    let mut crowd: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
    let mut last = connect();
    last.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    last.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("asked");
    let mut answer = [0; 12];
    last.read_exact(&mut answer).expect("an answer, in the end");
    assert_eq!(&answer, b"HTTP/1.1 200");
    // It had to wait until one of the others was sent away, which may hear of that later. Of themselves they are ended
    // after five seconds only.
    let mut is_sent_away = || {
        crowd.iter_mut().any(|one| {
            one.set_nonblocking(true).expect("a mode");
            let read = one.read(&mut [0]);
            read.map_or_else(
                |error| error.kind() != ErrorKind::WouldBlock,
                |read| read == 0,
            )
        })
    };
    let sent_away = (0..300).any(|_| {
        is_sent_away() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    });
    assert!(sent_away, "all are served at once");
}

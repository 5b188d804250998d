//! A small kernel buffer is a low rate where packets take long: a large body must still come within a scrape's time.
//!
//! Two network namespaces with `tc netem` between them; that needs root and a kernel that has it. Without, the test says so.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a helper that fails is a test that fails; figures are for whoever reads the test's output"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tagalong_kong::{CaptureKong, captures};
use tokio::time::Instant;

const SERVER: &str = "10.78.0.1";
const PORT: u16 = 9542;
const KONG: &str = "127.0.0.1:8100";
/// Five times the medium capture: 35 MB.
const TIMES: usize = 5;
/// What Prometheus gives a scrape.
const SCRAPE: Duration = Duration::from_secs(10);

/// Two namespaces and what runs in them, for as long as this lives.
struct Link {
    server: String,
    client: String,
    running: Vec<Child>,
}

impl Link {
    /// One way takes so long. None where this machine cannot do that.
    fn with_delay(milliseconds: u32) -> Option<Self> {
        let id = std::process::id();
        let link = Self {
            server: format!("tagalong-s{id}"),
            client: format!("tagalong-c{id}"),
            running: Vec::new(),
        };
        let (server, client) = (&link.server, &link.client);
        let (near, far) = (format!("ts{id}"), format!("tc{id}"));
        let made = [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("link add {near} netns {server} type veth peer name {far} netns {client}"),
            format!("-n {server} addr add {SERVER}/24 dev {near}"),
            format!("-n {client} addr add 10.78.0.2/24 dev {far}"),
            format!("-n {server} link set lo up"),
            format!("-n {server} link set {near} up"),
            format!("-n {client} link set {far} up"),
        ]
        .iter()
        .all(|command| quiet("ip", command));
        let delayed = made
            && quiet(
                "tc",
                &format!(
                    "-n {server} qdisc add dev {near} root netem delay {milliseconds}ms limit 10000"
                ),
            );
        delayed.then_some(link)
    }

    fn run(&mut self, command: &mut Command) {
        let running = command.stdout(Stdio::null()).spawn();
        self.running.push(running.expect("it runs"));
    }

    /// This test's own program, which runs one of the helpers below.
    fn helper(&self, namespace: &str, name: &str) -> Command {
        let program = std::env::current_exe().expect("this test");
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace])
            .arg(program)
            .args(["--ignored", "--exact", "--nocapture", name]);
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        for namespace in [&self.server, &self.client] {
            quiet("ip", &format!("netns del {namespace}"));
        }
    }
}

fn quiet(program: &str, arguments: &str) -> bool {
    Command::new(program)
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
#[ignore = "helper of the test below, in a namespace of its own"]
fn helper_kong() {
    let body = captures::text("medium").expect("a capture").repeat(TIMES);
    let listen = KONG.parse().expect("an address");
    let _kong = CaptureKong::builder().body(body).listen(listen).start_now();
    std::thread::sleep(Duration::from_secs(300));
}

#[test]
#[ignore = "helper of the test below, in a namespace of its own"]
fn helper_scraper() {
    let began = Instant::now();
    let mut tcp = loop {
        match TcpStream::connect((SERVER, PORT)) {
            Ok(tcp) => break tcp,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let began = Instant::now();
    let request = "GET /metrics HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n";
    tcp.write_all(request.as_bytes()).expect("sent");
    let (mut bytes, mut buffer, mut last) = (0, vec![0; 1 << 20], Vec::new());
    loop {
        let read = tcp.read(&mut buffer).expect("read");
        if read == 0 {
            break;
        }
        bytes += read;
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(5));
    }
    println!(
        "scraped {} {bytes} {}",
        last == b"0\r\n\r\n",
        began.elapsed().as_millis()
    );
}

/// Whether the body was whole, its length, and how long it took.
fn scraped(output: &str) -> Option<(bool, usize, Duration)> {
    let line = output
        .lines()
        .find_map(|line| line.split_once("scraped "))?
        .1;
    let mut words = line.split(' ');
    let whole = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    Some((
        whole,
        bytes,
        Duration::from_millis(words.next()?.trim().parse().ok()?),
    ))
}

#[test]
fn thirty_five_megabytes_come_in_time_whatever_the_way() {
    for delay in [2, 10] {
        let Some(mut link) = Link::with_delay(delay) else {
            eprintln!(
                "NOT TESTED: scrapes over a slow way need root, iproute2 and a kernel with netem; this machine lacks one of them"
            );
            return;
        };
        let (server, client) = (link.server.clone(), link.client.clone());
        let directory = tempfile::tempdir().expect("a directory");
        let labels = directory.path().join("labels.json");
        std::fs::write(&labels, r#"{"type":"SNAPSHOT","version":1}"#).expect("written");
        let mut kong = link.helper(&server, "delay::helper_kong");
        link.run(&mut kong);
        let mut sidecar = Command::new("ip");
        sidecar
            .args([
                "netns",
                "exec",
                &server,
                env!("CARGO_BIN_EXE_tagalong-sidecar"),
            ])
            .arg(format!("--listen={SERVER}:{PORT}"))
            .arg(format!("--kong-metrics-url=http://{KONG}/metrics"))
            .arg(format!("--labels-file={}", labels.display()));
        link.run(&mut sidecar);
        let first = || {
            let output = link.helper(&client, "delay::helper_scraper").output();
            let told = output.expect("it runs").stdout;
            scraped(&String::from_utf8_lossy(&told)).expect("a scrape")
        };
        // Until its Kong is there it answers 502.
        let (whole, bytes, took) = std::iter::repeat_with(first)
            .inspect(|(_, bytes, _)| {
                if *bytes < 1000 {
                    std::thread::sleep(Duration::from_millis(200));
                }
            })
            .take(100)
            .find(|(_, bytes, _)| *bytes >= 1000)
            .expect("its Kong answers");
        println!("{delay} ms: {bytes} bytes in {took:?}");
        assert!(whole && bytes > 30_000_000, "{bytes} bytes, whole: {whole}");
        assert!(took < SCRAPE, "{delay} ms: {took:?}");
    }
}

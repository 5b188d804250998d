//! A small kernel buffer is a low rate where packets take long: a large body must still come within a scrape's time.
//!
//! Two network namespaces with a link of two TUN devices between them (`delay/link.py`); that needs root. Without, the test says
//! so.

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
    /// One way takes so long.
    fn with_delay(milliseconds: u32) -> Result<Self, String> {
        let id = std::process::id();
        let mut link = Self {
            server: format!("tagalong-s{id}"),
            client: format!("tagalong-c{id}"),
            running: Vec::new(),
        };
        for namespace in [&link.server, &link.client] {
            ip(&format!("netns add {namespace}"))?;
        }
        ip(&format!("-n {} link set lo up", link.server))?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/delay/link.py");
        let mut relay = Command::new("python3")
            .args([script, &milliseconds.to_string()])
            .args([&link.server, &format!("{SERVER}/24")])
            .args([&link.client, "10.78.0.2/24"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let mut told = [0; 6];
        let ready = relay.stdout.as_mut().map(|out| out.read_exact(&mut told));
        link.running.push(relay);
        match ready {
            Some(Ok(())) if told == *b"ready\n" => Ok(link),
            _ => Err("a link of TUN devices cannot be made: see above".to_owned()),
        }
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
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    let made = output.status.success();
    made.then_some(())
        .ok_or_else(|| format!("ip {arguments}: {}", why.trim()))
}

/// Whether this process may make network namespaces.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    user.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
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
        let mut link = match Link::with_delay(delay) {
            Ok(link) => link,
            Err(why) => {
                let must = is_root() && std::env::var("CI").as_deref() == Ok("true");
                assert!(!must, "{why}");
                eprintln!("NOT TESTED: scrapes over a slow way need root and TUN devices: {why}");
                return;
            }
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

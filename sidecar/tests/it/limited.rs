//! The sidecar under the memory limit that the chart gives it, where the machine can set one that counts what the kernel
//! holds for connections: control groups of version 2, and root. Where not, the test says so; the sum over sockets
//! (`kernel.rs`) is the judge then.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails; figures are for whoever reads the test's output"
)]

use crate::common;
use crate::kernel::stalls;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{NO_LABELS, ask, request};
use tagalong_kong::CaptureKong;
use tokio::task::JoinSet;

/// The chart's limit.
const LIMIT: usize = 64 << 20;
const READERS: usize = 40;

/// A control group with that limit, and what runs in it, for as long as this lives.
struct Limited {
    group: PathBuf,
    child: Option<Child>,
}

impl Limited {
    fn new() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
        let mut mounts = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mounts
            .find(|mount| mount.get(2) == Some(&"cgroup2"))
            .ok_or("there are no control groups of version 2")?;
        let mount = Path::new(mount.get(1).ok_or("a mount without a place")?);
        let below = fs::read_to_string(mount.join("cgroup.subtree_control"));
        if !below.is_ok_and(|controllers| controllers.split_whitespace().any(|one| one == "memory"))
        {
            return Err(format!("groups below {} limit no memory", mount.display()));
        }
        let group = mount.join(format!("tagalong-{}", std::process::id()));
        let failed = |error| format!("{}: {error}", group.display());
        fs::create_dir(&group).map_err(failed)?;
        let limited = Self {
            group: group.clone(),
            child: None,
        };
        limited
            .set("memory.max", &LIMIT.to_string())
            .map_err(failed)?;
        limited.set("memory.oom.group", "1").map_err(failed)?;
        // Where there is no swap, there may be no such file.
        let _no_swap = limited.set("memory.swap.max", "0");
        Ok(limited)
    }

    fn set(&self, file: &str, value: &str) -> std::io::Result<()> {
        fs::write(self.group.join(file), value)
    }

    /// What a file says of a word.
    fn told(&self, file: &str, word: &str) -> Option<u64> {
        let text = fs::read_to_string(self.group.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(word))?;
        line.trim().parse().ok()
    }

    fn sidecar(&mut self, kong: &str, labels: &Path) -> SocketAddr {
        let mut child = Command::new("sh")
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(&self.group)
            .arg(env!("CARGO_BIN_EXE_tagalong-sidecar"))
            .args(["--listen=127.0.0.1:0", "--log-format=json"])
            .arg(format!("--kong-metrics-url={kong}"))
            .arg(format!("--labels-file={}", labels.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        self.child = Some(child);
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        // It must not wait for somebody to read its log.
        std::thread::spawn(move || log.lines().for_each(drop));
        let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
        let address = line["listen"].as_str().and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("no address in {line}"))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ended = child.kill();
            let _ended = child.wait();
        }
        for _ in 0..50 {
            if fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_reading_do_not_have_it_killed() {
    let mut limited = match Limited::new() {
        Ok(limited) => limited,
        Err(why) => {
            let said = format!("NOT TESTED: the sidecar under a real memory limit: {why}\n");
            // Past what the test's runner keeps of a test that passes.
            std::io::stderr().write_all(said.as_bytes()).expect("said");
            return;
        }
    };
    let kong = CaptureKong::builder().capture("medium").start().await;
    let kong = kong.expect("a Kong");
    let directory = tempfile::tempdir().expect("a directory");
    let labels = directory.path().join("labels.json");
    fs::write(&labels, NO_LABELS).expect("written");
    let address = limited.sidecar(&kong.url(), &labels);
    let mut held = Vec::new();
    for round in 0..3 {
        let mut readers = JoinSet::new();
        for _ in 0..READERS {
            readers.spawn(stalls(address));
        }
        held.extend(readers.join_all().await);
        let (peak, sockets) = (
            limited.told("memory.peak", ""),
            limited.told("memory.stat", "sock "),
        );
        println!("round {round}: {sockets:?} bytes in sockets, {peak:?} at most in all");
        assert_eq!(limited.told("memory.events", "oom_kill "), Some(0));
        let whole = ask(address, request("GET", "/metrics")).await;
        assert!(
            whole.complete && whole.status.is_success(),
            "{}",
            whole.status
        );
    }
    drop(held);
}

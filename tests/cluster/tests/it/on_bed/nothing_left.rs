//! After a cluster, be it ended or killed: no process, no interface, no mount, no cgroup, no file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tagalong_cluster::{Result, TIMEOUT, until};

/// `tagalong-cluster up`, running.
struct Up {
    child: Child,
    directory: PathBuf,
    kubectl: PathBuf,
}

fn up(arguments: &[&str]) -> Up {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tagalong-cluster"))
        .arg("up")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(std::result::Result::ok);
    let mut value = |prefix: &str, suffix: &str| -> PathBuf {
        let line = lines.next().unwrap_or_default();
        line.strip_prefix(prefix)
            .unwrap()
            .strip_suffix(suffix)
            .unwrap()
            .into()
    };
    let directory = value("export KUBECONFIG=", "/admin.kubeconfig");
    let kubectl = value("export PATH=", ":$PATH").join("kubectl");
    Up {
        child,
        directory,
        kubectl,
    }
}

impl Up {
    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", self.directory.join("admin.kubeconfig"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

/// What is there before a cluster and must be there after it, no less and no more.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    interfaces: BTreeSet<String>,
    mounts: BTreeSet<String>,
}

fn host() -> Host {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    Host {
        interfaces: names(Path::new("/sys/class/net")),
        mounts: mounts.lines().map(str::to_owned).collect(),
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    entries.filter(|path| path.join("exe").exists())
}

/// Processes that name the run's directory, the network namespaces among them.
fn of_run(directory: &Path) -> BTreeSet<PathBuf> {
    let directory = directory.display().to_string();
    processes()
        .filter(|path| {
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            // The reaper's own `rm` may name it a moment longer than it is there.
            String::from_utf8_lossy(&command).contains(&directory)
        })
        .collect()
}

fn network(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/net")).ok()
}

fn cgroups(owner: u32) -> BTreeSet<PathBuf> {
    let name = format!("tagalong-{owner}");
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    let roots = hierarchies
        .map(|entry| entry.path())
        .chain(["/sys/fs/cgroup".into()]);
    roots
        .map(|root| root.join(&name))
        .filter(|path| path.exists())
        .collect()
}

async fn gone(mut up: Up, before: Host) -> Result<()> {
    let own = network(Path::new("/proc/self"));
    let networks: BTreeSet<PathBuf> = of_run(&up.directory)
        .iter()
        .filter_map(|process| network(process))
        .filter(|network| Some(network) != own.as_ref())
        .collect();
    let owner = up.child.id();
    up.child.wait().unwrap();
    until("nothing to be left", TIMEOUT, || async {
        let processes = of_run(&up.directory);
        let inside: Vec<PathBuf> = self::processes()
            .filter(|process| network(process).is_some_and(|network| networks.contains(&network)))
            .collect();
        let cgroups = cgroups(owner);
        let files = up.directory.exists();
        let now = host();
        if processes.is_empty() && inside.is_empty() && cgroups.is_empty() && !files && now == before {
            Ok(())
        } else {
            Err(format!("{processes:?} {inside:?} {cgroups:?} files: {files}; before {before:?}, now {now:?}").into())
        }
    })
    .await
}

#[tokio::test]
async fn a_control_plane_that_is_killed_leaves_nothing() -> Result<()> {
    let before = host();
    let up = up(&["--without-node"]);
    assert_eq!(up.kubectl(&["get", "--raw", "/readyz"]), "ok");
    assert!(
        of_run(&up.directory).len() >= 4,
        "etcd, API server, controller manager, scheduler"
    );
    up.signal(Signal::KILL);
    gone(up, before).await
}

#[tokio::test]
async fn a_node_that_is_killed_or_interrupted_leaves_nothing() -> Result<()> {
    if !geteuid().is_root() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "a node takes root"
        );
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN, and nothing shown by it: a node takes root"
        );
        return Ok(());
    }
    for signal in [Signal::KILL, Signal::INT] {
        let before = host();
        let up = up(&[]);
        assert!(up.kubectl(&["get", "pods", "-A"]).contains("coredns"));
        assert!(
            !cgroups(up.child.id()).is_empty(),
            "pods have their cgroups below ours"
        );
        up.signal(signal);
        gone(up, before).await?;
    }
    Ok(())
}

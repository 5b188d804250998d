//! The namespaces that a node lives in, held by one process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;

use super::{ADDRESS_TEXT, NAME};
use crate::error::{Error, Result, at};
use crate::pki::write;
use crate::process::{Ground, Process};

/// Runs as process 1 inside. The kubelet wants its mounts shared; `rprivate` first cuts the tie to the
/// host. /run, /var/lib and /var/log are our own, since the kubelet, containerd's shims and the CNI plugins
/// write there whatever their configuration says.
const INIT: &str = r#"
set -e
mount --make-rprivate /
mount --make-rshared /
echo "$NAME" > /proc/sys/kernel/hostname
ip link set lo up
ip link add node0 type bridge
ip addr add "$ADDRESS/24" dev node0
ip link set node0 up
ip route add default via "$ADDRESS" dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
if test -e /proc/sys/net/bridge/bridge-nf-call-iptables; then
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
fi
mkdir -p "$DIRECTORY/log" "$DIRECTORY/lib" "$DIRECTORY/lib-work"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$DIRECTORY/lib,workdir=$DIRECTORY/lib-work" overlay /var/lib
mount --bind "$DIRECTORY/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/node
touch "$DIRECTORY/inside"
trap '' HUP INT
while :; do sleep 86400; done
"#;

/// Kills everything inside when dropped.
pub(super) struct Namespaces {
    _unshare: Process,
    holder: u32,
}

impl Namespaces {
    pub fn create(directory: &Path) -> Result<Self> {
        write(directory, "init.sh", INIT)?;
        let mut command = Ground::Host.command("unshare");
        command
            .args(["--net", "--mount", "--pid", "--uts", "--ipc"])
            .args(["--fork", "--mount-proc", "--kill-child", "--", "sh"])
            .arg(directory.join("init.sh"))
            .env("NAME", NAME)
            .env("ADDRESS", ADDRESS_TEXT)
            .env("DIRECTORY", directory)
            .stdin(Stdio::null());
        let mut unshare = Process::start("namespaces", command, directory)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !directory.join("inside").exists() {
            unshare.running()?;
            if Instant::now() > deadline {
                return Err(Error::Command {
                    what: "making the node's namespaces".to_owned(),
                    detail: unshare.log_tail(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let holder = only_child(unshare.id())?;
        Ok(Self {
            _unshare: unshare,
            holder,
        })
    }

    /// The process that is number 1 inside, as the host counts.
    pub fn holder(&self) -> u32 {
        self.holder
    }
}

fn only_child(parent: u32) -> Result<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(&path).map_err(at(&path))?;
    children
        .split_whitespace()
        .next()
        .and_then(|child| child.parse().ok())
        .ok_or_else(|| Error::Command {
            what: "looking for the process that holds the namespaces".to_owned(),
            detail: format!("{path} is {children:?}"),
        })
}

//! What a node needs of the machine: root, a few kernel features, a few Debian packages.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::cache;
use crate::cluster::run;
use crate::error::{Error, Result};

/// Each program with the package that has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
];

/// Whether this user on this kernel can have a node at all.
///
/// # Errors
///
/// [`Error::Unsupported`], with what is missing.
pub(crate) fn check() -> Result<()> {
    let refuse = |why: &str| Err(Error::Unsupported(format!("no node here: {why}")));
    if !geteuid().is_root() {
        return refuse("it takes root (namespaces, cgroups, mounts)");
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        return refuse("the kernel has no overlayfs");
    }
    if !Path::new("/sys/fs/cgroup").is_dir() {
        return refuse("no cgroups are mounted at /sys/fs/cgroup");
    }
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true",
    ]);
    if !unshare
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return refuse("`unshare` may not make namespaces (a container without CAP_SYS_ADMIN?)");
    }
    Ok(())
}

/// Installs what is missing with apt-get.
pub(super) fn install_packages() -> Result<()> {
    if missing().is_empty() {
        return Ok(());
    }
    let _lock = cache::lock("packages.lock", || {})?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        let what = format!(
            "installing the packages {} that a node needs (on a system without apt-get, install them by hand)",
            missing.join(" ")
        );
        run(&what, command, "")
    };
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)?;
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    PROGRAMS
        .iter()
        .filter(|(program, _)| {
            // An absolute path swallows the directory it is joined to.
            let directories = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
            !directories
                .into_iter()
                .any(|directory| directory.join(program).is_file())
        })
        .map(|&(_, package)| package)
        .collect()
}

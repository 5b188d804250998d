//! containerd with runc, and the network plugins' configuration.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Node;
use crate::cluster::run;
use crate::error::{Error, Result, at};
use crate::image::Image;
use crate::process::{Ground, Process};

const PAUSE: &str = "test.local/pause:1";

/// Where containerd listens. Below /run inside: a path below the run directory could be longer than a
/// socket's address may be.
pub(super) const SOCKET: &str = "/run/node/containerd.sock";

pub(super) fn start(node: &Node) -> Result<Process> {
    let directory = &node.directory;
    let path = directory.join("containerd.toml");
    fs::write(&path, configuration(directory)).map_err(at(&path))?;
    let plugins = directory.join("cni");
    fs::create_dir_all(&plugins).map_err(at(&plugins))?;
    let network = plugins.join("10-pods.conflist");
    fs::write(&network, NETWORK).map_err(at(&network))?;

    let mut command = node.ground().command("containerd");
    command.arg("--config").arg(&path);
    let mut containerd = Process::start("containerd", command, directory)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut version = node.ground().command("ctr");
        version.args(["--address", SOCKET, "version"]);
        if run("asking containerd", version, "").is_ok() {
            return Ok(containerd);
        }
        containerd.running()?;
        if Instant::now() > deadline {
            return Err(Error::Command {
                what: "waiting for containerd".to_owned(),
                detail: containerd.log_tail(),
            });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes the image available to the kubelet under its name.
pub(super) fn import(ground: Ground, directory: &Path, image: &Image) -> Result<()> {
    let archive = tempfile::NamedTempFile::new_in(directory).map_err(at(directory))?;
    image.write(archive.path())?;
    import_archive(ground, archive.path())
}

/// Makes the images of an archive available under their names.
pub(super) fn import_archive(ground: Ground, archive: &Path) -> Result<()> {
    let archive = std::path::absolute(archive).map_err(at(archive))?;
    let mut command = ground.command("ctr");
    command
        .args([
            "--address",
            SOCKET,
            "--namespace",
            "k8s.io",
            "images",
            "import",
        ])
        .arg(&archive);
    run(&format!("importing {}", archive.display()), command, "").map(drop)
}

/// What holds a pod's namespaces. `sleep` ignores SIGTERM as process 1, and containerd kills a sandbox
/// outright anyway.
pub(super) fn pause() -> Result<Image> {
    Ok(Image::new(PAUSE)
        .program(Path::new("/bin/sleep"), "/bin/sleep")?
        .entrypoint(&["/bin/sleep", "infinity"]))
}

/// `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc cannot lower a score, and every pod would fail
/// with "can't get final child's PID from pipe: EOF".
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"version = 2
root = "{directory}/containerd"
state = "/run/node/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{directory}/cni"
"#
    )
}

const NETWORK: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "/run/node/cni",
        "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"#;

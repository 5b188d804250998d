//! Tidies up after us, however we end.
//!
//! The kernel kills our children, but files and cgroups stay, and a `static` is never dropped. So a
//! shell, in a session of its own, waits on a pipe whose other end only we hold: when the pipe closes
//! we are gone, and it removes what it was told of.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::{Result, at};

/// Lines come in as `d DIRECTORY` or `c CGROUP NAME`; at the end of the input they are worked off. What
/// is still in use for a moment, because its last user is just being killed, is tried again.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
todo=$(cat)
tidy() {
  printf '%s\n' "$todo" | while read -r kind what; do
    case $kind in
      d) rm -rf -- "$what" ;;
      c) find /sys/fs/cgroup -depth -type d -path "*/$what*" -exec rmdir {} + 2>/dev/null
         test -z "$(find /sys/fs/cgroup -type d -name "$what" | head -n 1)" ;;
    esac || exit 1
  done
}
for _ in $(seq 100); do
  tidy 2>/dev/null && exit 0
  sleep 0.1
done
"#;

/// Removes directories and cgroups when it is dropped or this process is gone.
#[derive(Debug)]
pub(crate) struct Reaper {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    pub fn start() -> Result<Self> {
        let mut shell = Command::new("setsid")
            .args(["sh", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(at("setsid"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// A directory to remove with all that is in it.
    pub fn directory(&mut self, path: &Path) -> Result<()> {
        self.tell(&format!("d {}", path.display()))
    }

    /// A cgroup to remove in every hierarchy.
    pub fn cgroup(&mut self, name: &str) -> Result<()> {
        self.tell(&format!("c {name}"))
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{line}").map_err(at("the reaper's pipe")),
            None => Ok(()),
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}

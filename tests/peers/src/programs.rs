//! The programs that are not Rust: built from the pinned Go modules beside this crate.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of this crate.
pub const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A program that is built with Go.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name of its binary.
    pub name: &'static str,
    module: &'static str,
    package: &'static str,
    tags: &'static str,
}

const fn ours(name: &'static str, module: &'static str) -> Program {
    Program {
        name,
        module,
        package: ".",
        tags: "",
    }
}

/// Go's expfmt at work.
pub const EXPFMT: Program = ours("expfmt", "go/expfmt");
/// Prometheus' parser at work.
pub const TEXTPARSE: Program = ours("textparse", "go/textparse");
/// VictoriaMetrics' parser at work.
pub const VICTORIAMETRICS: Program = ours("victoriametrics", "go/victoriametrics");
/// vmagent itself, at the version that the tests of clients pin.
pub const VMAGENT: Program = Program {
    name: "vmagent",
    module: "../cluster/modules/vmagent",
    package: "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent",
    tags: "",
};
/// Prometheus itself, at the version that the cluster tests pin, without discovery of clouds.
pub const PROMETHEUS: Program = Program {
    name: "prometheus",
    module: "../cluster/modules/prometheus",
    package: "github.com/prometheus/prometheus/cmd/prometheus",
    tags: "remove_all_sd,enable_kubernetes_sd",
};

impl Program {
    /// Builds it, if it is not built yet or has changed, and says where it is.
    ///
    /// # Errors
    /// Go is missing or the build fails.
    pub fn build(self) -> io::Result<PathBuf> {
        let binary = Path::new(HERE).join("../../target/peers").join(self.name);
        let status = Command::new("go")
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            .args(["-ldflags", "-s -w", "-tags", self.tags, "-o"])
            .arg(&binary)
            .arg(self.package)
            .current_dir(Path::new(HERE).join(self.module))
            .env("CGO_ENABLED", "0")
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!(
                "building {}: {status}",
                self.name
            )));
        }
        binary.canonicalize()
    }

    /// The version of `path` in the go.mod that it is built from.
    #[must_use]
    pub fn version(self, path: &str) -> String {
        let file = Path::new(HERE).join(self.module).join("go.mod");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                line.trim()
                    .trim_start_matches("require ")
                    .strip_prefix(path)
            })
            .filter_map(|rest| rest.split_whitespace().next())
            .find(|word| word.starts_with('v'))
            .unwrap_or_default()
            .to_owned()
    }
}

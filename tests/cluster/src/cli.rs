//! The command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use tagalong_cluster::binaries::{Tool, ensure};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, Error, Result, leftovers, programs};
use tokio::signal::unix::{SignalKind, signal};

/// A real Kubernetes from an empty machine.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a cluster, prints how to reach it, and ends it on Ctrl-C.
    Up {
        /// Only the control plane, which takes no root; pods stay Pending.
        #[arg(long)]
        without_node: bool,
        /// Installs the definitions of Gateway API and of Kong's operators.
        #[arg(long)]
        crds: bool,
        /// Makes an image archive's images available to pods; may be repeated.
        #[arg(long, value_name = "ARCHIVE")]
        image: Vec<PathBuf>,
    },
    /// Removes what a cluster left behind whose process and reaper were both killed.
    Clean {
        /// Removes the cached binaries too.
        #[arg(long)]
        cache: bool,
    },
    /// Builds binaries into the cache, all of them if none is named, and prints their paths.
    Build {
        /// Such as kube-apiserver or promtool.
        tools: Vec<String>,
    },
    /// Makes image archives of the release binaries, for `docker load`, `ctr images import`, `kind load`.
    Images {
        /// Where the archives go.
        #[arg(long, value_name = "DIRECTORY")]
        out: PathBuf,
        /// Where the binaries are.
        #[arg(long, value_name = "DIRECTORY", default_value = "target/release")]
        binaries: PathBuf,
        /// What stands before the images' names, such as `ghcr.io/example`.
        #[arg(long, value_name = "PREFIX")]
        registry: Option<String>,
        /// The images' tag.
        #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
        tag: String,
    },
}

/// Does what the command line says.
pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Up {
            without_node,
            crds,
            image,
        } => up(without_node, crds, &image).await,
        Command::Clean { cache } => clean(cache),
        Command::Build { tools } => build(&tools),
        Command::Images {
            out,
            binaries,
            registry,
            tag,
        } => images(&out, &binaries, registry.as_deref(), &tag),
    }
}

/// Says what went wrong.
pub fn complain(error: &Error) {
    let _ = writeln!(std::io::stderr(), "tagalong-cluster: {error}");
}

async fn up(without_node: bool, crds: bool, images: &[PathBuf]) -> Result<()> {
    // Before the start, so that Ctrl-C during it ends us in the ordinary way.
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let start = async {
        let cluster = if without_node {
            Cluster::start().await?
        } else {
            Cluster::start_with_node().await?
        };
        if crds {
            use CrdSet::{GatewayApiStandard, KongGatewayOperator, KongIngressController};
            let sets = [
                GatewayApiStandard,
                KongGatewayOperator,
                KongIngressController,
            ];
            cluster.install_crds(&sets).await?;
        }
        for archive in images {
            cluster.load_archive(archive.clone()).await?;
        }
        Ok::<_, Error>(cluster)
    };
    let cluster = tokio::select! {
        cluster = start => cluster?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let _addresses = cluster.load_balancers()?;
    print(&format!(
        "export KUBECONFIG={}",
        cluster.kubeconfig().display()
    ));
    if let Some(kubectl) = ensure(Tool::Kubectl)?.parent() {
        print(&format!("export PATH={}:$PATH", kubectl.display()));
    }
    let _ = writeln!(std::io::stderr(), "The cluster runs until Ctrl-C.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(|error| Error::Unsupported(format!("signals: {error}")))
}

fn clean(cache: bool) -> Result<()> {
    for removed in leftovers::remove()? {
        print(&format!("removed {}", removed.display()));
    }
    if cache {
        for removed in leftovers::remove_cached_binaries()? {
            print(&format!("removed {}", removed.display()));
        }
    }
    Ok(())
}

fn build(names: &[String]) -> Result<()> {
    let unknown = names
        .iter()
        .find(|name| Tool::ALL.iter().all(|tool| tool.name() != **name));
    if let Some(name) = unknown {
        let known = Tool::ALL.map(Tool::name).join(", ");
        return Err(Error::Unsupported(format!(
            "no tool is called {name}; there are {known}"
        )));
    }
    for tool in Tool::ALL {
        if names.is_empty() || names.iter().any(|name| name == tool.name()) {
            print(&ensure(tool)?.display().to_string());
        }
    }
    Ok(())
}

fn images(out: &Path, binaries: &Path, registry: Option<&str>, tag: &str) -> Result<()> {
    let failed = |source| Error::File {
        path: out.to_owned(),
        source,
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    for binary in programs::RELEASED {
        let name = match registry {
            Some(registry) => format!("{}/{binary}:{tag}", registry.trim_end_matches('/')),
            None => format!("{binary}:{tag}"),
        };
        let archive = out.join(format!("{binary}-{tag}.tar"));
        programs::image(binary, &name, binaries)?.write(&archive)?;
        print(&format!("{name} {}", archive.display()));
    }
    Ok(())
}

/// One line of the command's result.
fn print(line: &str) {
    let mut out = std::io::stdout();
    // Nobody reads it: nothing to be done.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

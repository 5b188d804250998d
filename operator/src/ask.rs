//! Questions of a person: what maps to what, and what a DataPlane's sidecars are told.

use crate::args::OperateArgs;
use crate::cluster::kinds;
use crate::explain;
use crate::manifests;
use crate::metrics;
use crate::operate::{Failure, client, on_runtime};
use crate::watches::{self, Context};
use crate::world::World;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;
use tagalong_index::{Key, Settings};
use tagalong_runtime::{Readiness, drain, logging};
use tagalong_wire::Message;

/// A cluster that has not answered within this time is not answering.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the SNAPSHOT message of a DataPlane.
///
/// # Errors
///
/// When there is no such DataPlane, or nothing can be read.
pub fn table(args: &OperateArgs, dataplane: &str) -> Result<(), Failure> {
    let key: Key = dataplane
        .parse()
        .map_err(|error| Failure::Ask(format!("{error}; try namespace/name")))?;
    let world = read(args)?;
    let snapshot = world.look(|state| {
        let known: Vec<String> = state
            .index
            .dataplanes()
            .map(|one| one.key.to_string())
            .collect();
        state.index.snapshot(&key).ok_or(known)
    });
    let snapshot = snapshot.map_err(|known| {
        Failure::Ask(if known.is_empty() {
            format!("there is no DataPlane {key}, nor any other")
        } else {
            format!(
                "there is no DataPlane {key}; there are: {}",
                known.join(", ")
            )
        })
    })?;
    let mut line = Vec::new();
    Message::Snapshot(snapshot).write(&mut line);
    print(&line)
}

/// Prints what a name maps to, and why.
///
/// # Errors
///
/// When nothing can be read.
pub fn explained(args: &OperateArgs, what: &str) -> Result<(), Failure> {
    let world = read(args)?;
    print(world.look(|state| explain::say(state, what)).as_bytes())
}

fn print(text: &[u8]) -> Result<(), Failure> {
    std::io::stdout().write_all(text).map_err(Failure::Tokio)
}

/// Everything there is, read once. What cannot be read may be the answer, so it is told.
fn read(args: &OperateArgs) -> Result<World, Failure> {
    logging::warn_person();
    let world = World::new(Settings::default(), metrics::Push::default());
    if let Some(dir) = &args.manifests {
        manifests::load(dir)?.into_world(&world);
        return Ok(world);
    }
    on_runtime(async {
        let context = Context {
            client: client().await?,
            sink: world.clone(),
            metrics: metrics::Watches::default(),
            selectors: BTreeMap::new(),
        };
        let synced = Readiness::default();
        let (_trigger, drain) = drain::channel();
        tokio::spawn(watches::run(kinds(), context, synced.clone(), drain));
        let all = async {
            while !synced.missing().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, all).await {
            Ok(()) => Ok(world),
            Err(_elapsed) => Err(Failure::Ask(format!(
                "the cluster has not answered for {}",
                synced.missing().join(", ")
            ))),
        }
    })
}

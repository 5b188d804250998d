//! Everything there is, read once, for a person who asked something.

use crate::args::OperateArgs;
use crate::error::Failure;
use crate::metrics;
use crate::process::{client, on_runtime};
use crate::watch::{self, Context};
use crate::world::watched::kinds;
use crate::world::{World, manifests};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;
use tagalong_index::Settings;
use tagalong_runtime::{Readiness, drain, logging};

/// A cluster that has not answered within this time is not answering.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    std::io::stdout().write_all(text).map_err(Failure::Output)
}

/// Reads the cluster, or the manifests. What cannot be read may be the answer, so each complaint is printed, once.
pub(super) fn read(args: &OperateArgs) -> Result<World, Failure> {
    logging::warn_person(watch::LOGGED_TWICE);
    // In a cluster, the status of routes says what Kong does not have yet.
    let settings = Settings {
        wait_for_kong: args.manifests.is_none(),
        ..Settings::default()
    };
    let world = World::new(settings, metrics::PushMetrics::default());
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
        tokio::spawn(watch::run(kinds(), context, synced.clone(), drain));
        match tokio::time::timeout(TIMEOUT, synced.complete()).await {
            Ok(()) => {
                world.wait_out();
                Ok(world)
            }
            Err(_elapsed) => Err(Failure::NoAnswer(synced.missing())),
        }
    })
}

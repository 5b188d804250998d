//! Operation without a cluster: objects from files that are followed, labels on loopback.

use crate::args::OperateArgs;
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::names;
use crate::names::survey::Unlabelled;
use crate::push::server::{Access, PushServer};
use crate::reviews::token::ApiServer;
use crate::world::World;
use crate::world::manifests::LoadedManifests;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tagalong_index::Settings;
use tagalong_runtime::serve::Server;
use tagalong_runtime::{Drain, Readiness, Runtime};
use tokio::sync::watch;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Follows what was `loaded` from `dir`, and pushes labels.
///
/// # Errors
///
/// When a port cannot be had.
pub async fn start(
    args: &OperateArgs,
    dir: &Path,
    loaded: LoadedManifests,
    metrics: &Metrics,
    runtime: &Runtime,
) -> Result<World, Failure> {
    let world = World::new(Settings::default(), metrics.push.clone());
    loaded.into_world(&world);
    let drain = runtime.drain();
    let followed = follow(loaded, dir.to_owned(), world.clone(), drain.clone());
    drain.spawn("following the manifests", followed);

    let (unlabelled, _nobody_reconciles) = watch::channel(Unlabelled::default());
    let counted = metrics.names.clone();
    let everything = Readiness::default();
    let surveyed = names::run(
        world.clone(),
        counted,
        unlabelled,
        None,
        everything,
        drain.clone(),
    );
    drain.spawn("the survey of names", surveyed);

    // Nobody vouches for who asks: the table is for this machine only, whatever the flag says.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.push_address.port()));
    let server = Server::bind(address).await?;
    tracing::info!(address = %server.address(), "pushes labels, without TLS, on loopback only");
    let access = Access::<ApiServer>::Anybody;
    let push = PushServer::new(world.clone(), access, drain.clone(), metrics.push.clone());
    let served = server.serve(move |request| push.clone().answer(request), drain.clone());
    drain.spawn("the push server", served);
    Ok(world)
}

async fn follow(mut loaded: LoadedManifests, dir: PathBuf, world: World, drain: Drain) {
    let mut complaint = None;
    while drain.cancel(tokio::time::sleep(LOOK)).await.is_some() {
        match loaded.changed(&dir) {
            Ok(None) => complaint = None,
            Ok(Some(changed)) => {
                changed.into_world(&world);
                loaded = changed;
                complaint = None;
                tracing::info!(dir = %dir.display(), "manifests read again");
            }
            Err(error) => {
                let text = error.to_string();
                if complaint.as_ref() != Some(&text) {
                    tracing::warn!(%error, "manifests: kept the last ones");
                    complaint = Some(text);
                }
            }
        }
    }
}

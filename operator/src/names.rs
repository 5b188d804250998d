//! What becomes of Kong's names: counted for each DataPlane, and reported where a name stands for no Service.
//!
//! Every replica counts. The lease holder reports: an ambiguous or split name on the extension that selects a Service
//! whose label it lacks, and a reference without a grant on the route, since whoever wrote the route can mend it and the Service's
//! owner cannot.

pub mod report;
pub mod survey;

use crate::metrics;
use crate::world::World;
use report::RouteReporter;
use std::collections::BTreeSet;
use std::time::Duration;
use survey::{Survey, Unlabelled};
use tagalong_runtime::{Drain, Readiness};
use tokio::sync::watch;

/// A survey costs as much as the tables that it reads, so that many changes share one.
const PAUSE: Duration = Duration::from_secs(10);

/// Surveys after each change, once `synced` is complete, until the drain begins. Names that lack a Service's label go to `unlabelled`.
pub async fn run(
    world: World,
    metrics: metrics::NameMetrics,
    unlabelled: watch::Sender<Unlabelled>,
    mut reporter: Option<RouteReporter>,
    synced: Readiness,
    drain: Drain,
) {
    // What is not seen yet would look as if it were missing, such as a grant.
    if drain.cancel(synced.complete()).await.is_none() {
        return;
    }
    let mut changed = world.names_changed();
    let mut shown = BTreeSet::new();
    loop {
        changed.mark_unchanged();
        let survey = Survey::of(&world);
        shown = metrics.show(&survey.counts, &shown);
        unlabelled.send_if_modified(|known| {
            let news = *known != survey.unlabelled;
            known.clone_from(&survey.unlabelled);
            news
        });
        let reported = drain.cancel(async {
            if let Some(reporter) = &mut reporter {
                while !reporter.report(&survey.not_granted).await {
                    tokio::time::sleep(PAUSE).await;
                    if changed.has_changed().unwrap_or(true) {
                        return;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
            let _the_world_lives = changed.changed().await;
        });
        if reported.await.is_none() {
            return;
        }
    }
}

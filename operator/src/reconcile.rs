//! Keeps the cluster in the desired state.
//!
//! Level-triggered: each pass derives the desired state from the index ([`desired`]), compares it with what the
//! watches last saw ([`crate::world::observed`]), and writes the difference ([`diff`], [`write`](mod@write)). So it
//! does not matter which events were missed, a pass over an unchanged world writes nothing, and what is no longer desired is found by the
//! labels and annotations that tagalong leaves on what it writes.
//!
//! It is not kube's `Controller`, since a pass has stages over many kinds and owners (`docs/decisions/`).

pub mod action;
pub mod backoff;
pub mod desired;
pub mod diff;
pub mod gate;
pub mod report;
pub mod reverts;
pub mod sources;
pub mod status;
pub mod subject;
pub mod uninjected;
pub mod write;

use crate::certificates::Bundle;
use crate::lease::installation::Standing;
use crate::names::survey::Unlabelled;
use backoff::Backoff;
use gate::Gate;
use report::StatusReporter;
use reverts::Reverts;
use sources::Sources;
use status::PassResult;
use std::time::Duration;
use tagalong_index::Key;
use tagalong_runtime::{Drain, Readiness};
use tokio::sync::watch;
use tokio::time::Instant;
use uninjected::Uninjected;
use write::Writer;

/// Events of this span are taken together: a rollout or an apply of many objects is one pass.
const TOGETHER: Duration = Duration::from_millis(100);
/// After writes: what one stage makes possible, such as letting go of an extension, the next pass does.
const AGAIN: Duration = Duration::from_secs(1);

/// What a pass depends on beside the world. It may be closed, and stays as it is then.
pub struct Inputs {
    /// What sidecars are to trust.
    pub bundle: Bundle,
    /// Where sidecars of Gateways' DataPlanes come from, if not from the DataPlanes themselves.
    pub sources: Option<(Sources, Gate)>,
    /// Names that lack the label of a Service.
    pub unlabelled: watch::Receiver<Unlabelled>,
    /// Whether another installation waits for this one to go.
    pub standing: watch::Receiver<Standing>,
}

/// Reconciles whenever something changed, as long as this process may write, until the drain begins; and after `resync`
/// without any event, against what nobody foresaw.
pub async fn run(
    writer: Writer,
    mut reporter: StatusReporter,
    mut inputs: Inputs,
    mut uninjected: Uninjected,
    synced: Readiness,
    resync: Duration,
    drain: Drain,
) {
    let mut changed = writer.world.changed();
    let (mut backoff, mut reverts) = (Backoff::default(), Reverts::default());
    loop {
        // What is not yet seen would look as if it were gone, and be taken back.
        let ready = async {
            writer.writes.granted().await;
            writer.metrics.leader.set(1);
            synced.complete().await;
        };
        if drain.cancel(ready).await.is_none() {
            return;
        }
        changed.mark_unchanged();
        let trust = inputs.bundle.borrow_and_update().clone();
        let names = inputs.unlabelled.borrow_and_update().clone();
        let waiting = match &*inputs.standing.borrow_and_update() {
            Standing::Works { waiting } => waiting.clone(),
            _ => None,
        };
        let mut wait = resync;
        let mut source = None;
        if let Some((sources, gate)) = &mut inputs.sources {
            let open = gate.is_open().await;
            if !open {
                wait = gate::EVERY.min(resync);
            }
            source = Some((sources, open));
        }
        let next = pass(
            &writer,
            &mut reporter,
            &mut uninjected,
            source,
            (&mut backoff, &mut reverts),
            trust.as_deref(),
            (names, waiting),
        )
        .await;
        let wait = next.map_or(wait, |next| next.min(wait));
        let waited = drain.cancel(async {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _world = changed.changed() => tokio::time::sleep(TOGETHER).await,
                Ok(()) = inputs.bundle.changed() => {}
                Ok(()) = inputs.unlabelled.changed() => {}
                Ok(()) = inputs.standing.changed() => {}
            }
        });
        if waited.await.is_none() {
            return;
        }
    }
}

/// One pass. Says when time itself will make another one worth while.
async fn pass(
    writer: &Writer,
    reporter: &mut StatusReporter,
    uninjected: &mut Uninjected,
    sources: Option<(&mut Sources, bool)>,
    (backoff, reverts): (&mut Backoff, &mut Reverts),
    trust: Option<&str>,
    (unlabelled, another): (Unlabelled, Option<Key>),
) -> Option<Duration> {
    let (plans, mut stages, found, placement) = writer.world.with(|state| {
        let (index, observed) = (&state.index, &state.observed);
        let now = Instant::now();
        let placement = sources.map(|(sources, open)| sources.place(index, observed, open, now));
        let placement = placement.unwrap_or_default();
        let (plans, desired) =
            desired::desired(index, observed, trust, &writer.admitted, placement);
        let stages = diff::due(&desired, observed);
        let found = uninjected.check(index, observed, Instant::now());
        (plans, stages, found, desired.placement)
    });
    writer.metrics.passes.inc();
    writer
        .metrics
        .uninjected_pods
        .set(i64::try_from(found.all).unwrap_or(i64::MAX));
    if !found.touch.is_empty() {
        tracing::info!(
            dataplanes = found.touch.len(),
            "bring DataPlanes through the webhook again"
        );
        stages.push(found.touch);
    }
    if !placement.touch.is_empty() {
        stages.push(placement.touch);
    }
    let stages = reverts.admit(stages, Instant::now());
    let stages = backoff.admit(stages, Instant::now());
    let written = writer.carry_out(stages).await;
    let again = (!written.done.is_empty()).then_some(AGAIN);
    if again.is_some() {
        tracing::info!(writes = written.done.len(), "reconciled");
    }
    reverts.note(&written.done, Instant::now());
    backoff.note(written, Instant::now());
    let result = PassResult {
        failed: backoff.errors(),
        reverted: reverts.told(),
        uninjected: found.pods,
        unlabelled,
        another,
        fallen_back: placement.fallen_back,
    };
    let pending = reporter.report(&plans, &result).await;
    let held = [backoff.next(Instant::now()), reverts.next(Instant::now())];
    let next = [again, pending, found.next, placement.next];
    next.into_iter().chain(held).flatten().min()
}

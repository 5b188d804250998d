//! What the world should look like, and the writes that make it so.
//!
//! Level-triggered: each pass derives the desired state from the index ([`desired`]), compares it with what the
//! watches last saw ([`crate::world::observed`]), and writes the difference ([`diff`], [`write`](mod@write)). So it
//! does not matter which events were missed, a pass over an unchanged world writes nothing, and what
//! nobody wants any more is found by the marks that tagalong leaves on what it touches.

pub mod action;
pub mod desired;
pub mod diff;
pub mod held;
pub mod missed;
pub mod status;
pub mod subject;
pub mod tell;
pub mod write;

use crate::certificates::Bundle;
use held::Held;
use missed::Missed;
use status::Trouble;
use std::time::Duration;
use tagalong_runtime::{Drain, Readiness};
use tell::Teller;
use tokio::time::Instant;
use write::Writer;

/// Events of this span are taken together: a rollout or an apply of many objects is one pass.
const TOGETHER: Duration = Duration::from_millis(100);
/// After writes: what one stage makes possible, such as letting go of an extension, the next pass does.
const AGAIN: Duration = Duration::from_secs(1);

/// Reconciles whenever something changed, as long as this process may write, until the drain begins; and after `resync`
/// without any event, against what nobody foresaw.
pub async fn run(
    writer: Writer,
    mut teller: Teller,
    mut bundle: Bundle,
    mut missed: Missed,
    synced: Readiness,
    resync: Duration,
    drain: Drain,
) {
    let mut changed = writer.world.changed();
    let mut held = Held::default();
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
        let trust = bundle.borrow_and_update().clone();
        let next = pass(
            &writer,
            &mut teller,
            &mut missed,
            &mut held,
            trust.as_deref(),
        )
        .await;
        let wait = next.map_or(resync, |next| next.min(resync));
        let waited = drain.cancel(async {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _world = changed.changed() => tokio::time::sleep(TOGETHER).await,
                Ok(()) = bundle.changed() => {}
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
    teller: &mut Teller,
    missed: &mut Missed,
    held: &mut Held,
    trust: Option<&str>,
) -> Option<Duration> {
    let (plans, mut stages, found) = writer.world.look(|state| {
        let (index, observed) = (&state.index, &state.observed);
        let (plans, desired) = desired::desired(index, observed, trust, &writer.admitted);
        let stages = diff::due(&desired, observed);
        let found = missed.look(index, observed, Instant::now());
        (plans, stages, found)
    });
    writer.metrics.passes.inc();
    writer
        .metrics
        .missed_pods
        .set(i64::try_from(found.all).unwrap_or(i64::MAX));
    if !found.touch.is_empty() {
        tracing::info!(
            dataplanes = found.touch.len(),
            "bring DataPlanes through the webhook again"
        );
        stages.push(found.touch);
    }
    let stages = held.admit(stages, Instant::now());
    let written = writer.carry_out(stages).await;
    let again = (!written.done.is_empty()).then_some(AGAIN);
    if again.is_some() {
        tracing::info!(writes = written.done.len(), "reconciled");
    }
    held.note(written, Instant::now());
    let trouble = Trouble {
        failed: held.errors(),
        missed: found.pods,
    };
    let untold = teller.tell(&plans, &trouble).await;
    let next = [again, held.next(Instant::now()), untold, found.next];
    next.into_iter().flatten().min()
}

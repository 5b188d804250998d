//! Keeps looking which installation works here, and says so: to the parts of this process that write, to whoever asks
//! whether it is ready, in the log, and in an Event at its own pod.

use crate::causes::in_words;
use crate::events::EventRecorder;
use crate::lease::Writes;
use crate::lease::installation::{Marks, Standing, Watchman};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use std::time::Duration;
use tagalong_runtime::{Drain, Handle, Readiness};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often it is looked at: while this installation works, and while it does not.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3));

/// Reason of the Event, and of the condition on extensions.
pub const ANOTHER_INSTALLATION: &str = "AnotherInstallation";

/// Whom to tell.
pub struct Told {
    /// The parts that write.
    pub standing: watch::Sender<Standing>,
    /// Whoever asks whether the process is ready.
    pub readiness: Readiness,
    /// Records Events.
    pub events: EventRecorder,
    /// This pod.
    pub pod: ObjectReference,
}

/// Looks until the drain begins.
pub async fn keep<M: Marks>(
    mut watchman: Watchman<M>,
    lease: Writes,
    mut told: Told,
    drain: Drain,
) {
    let mut unready: Option<Handle> = None;
    loop {
        let now = Instant::now();
        let look = tokio::time::timeout(EVERY.0, watchman.look(lease.allowed(), now));
        match drain.cancel(look).await {
            None => return,
            Some(Ok(Ok(standing))) if standing != *told.standing.borrow() => {
                let handle = told.say(&standing).await;
                if let Some(before) = std::mem::replace(&mut unready, handle) {
                    before.ready();
                }
                told.standing.send_replace(standing);
            }
            Some(Ok(Ok(_same))) => {}
            Some(Ok(Err(error))) => {
                tracing::warn!(error, "cannot see which installation works here");
            }
            Some(Err(_elapsed)) => {
                tracing::warn!("cannot see which installation works here: no answer in time");
            }
        }
        let works = matches!(*told.standing.borrow(), Standing::Works { .. });
        let wait = if works { EVERY.0 } else { EVERY.1 };
        let waited = drain.cancel(async {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // A free mark is there for whoever gets the Lease.
                () = lease.granted(), if !works && !lease.allowed() => {}
            }
        });
        if waited.await.is_none() {
            return;
        }
    }
}

impl Told {
    /// Returns what keeps the process from being ready, if something does.
    async fn say(&mut self, standing: &Standing) -> Option<Handle> {
        match standing {
            Standing::Unknown | Standing::Works { waiting: None } => None,
            Standing::Works {
                waiting: Some(other),
            } => {
                tracing::warn!(%other, "another installation of tagalong is in this cluster and waits: uninstall one of them");
                None
            }
            Standing::Waits { working } => {
                let note = format!(
                    "tagalong already works in this cluster: the installation with Lease {working}. \
                     This one writes nothing until that one is uninstalled, or has not renewed its Lease for a minute"
                );
                tracing::warn!(%working, "{note}");
                let event = Event {
                    type_: EventType::Warning,
                    reason: ANOTHER_INSTALLATION.to_owned(),
                    note: Some(note),
                    action: "Wait".to_owned(),
                    secondary: None,
                };
                if let Err(error) = self.events.record(&event, &self.pod).await {
                    tracing::warn!(error = in_words(&error), "cannot record an Event");
                }
                let waits = format!("the installation with Lease {working} to go");
                Some(self.readiness.handle(waits))
            }
        }
    }
}

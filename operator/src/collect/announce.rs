//! Events about pods that cannot be collected, one whenever a pod fails for another reason than before, and about pods that
//! disagree with others about a family.

use crate::causes::in_words;
use crate::collect::fetch::{FetchError, PodTarget};
use crate::events::EventRecorder;
use crate::lease::Writes;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use tagalong_index::Key;
use tagalong_runtime::Drain;
use tokio::sync::mpsc;

/// How many wait to be told. When a whole zone is gone, Events about the first pods say enough; the metrics tell
/// of all.
const WAITING: usize = 64;

/// Takes what is to be told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Announcer(mpsc::Sender<UncollectedPod>);

/// A pod that cannot be collected, or whose samples are not all taken.
#[derive(Debug)]
pub struct UncollectedPod {
    pod: Key,
    uid: String,
    dataplane: Key,
    reason: &'static str,
    note: String,
}

/// Somewhere to tell, and what has been told there.
#[must_use]
pub fn channel() -> (Announcer, mpsc::Receiver<UncollectedPod>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Announcer(sender), receiver)
}

impl Announcer {
    /// Tells of `target`, unless it is on its way out, when that is to be expected.
    pub(super) fn announce(&self, target: &PodTarget, failed: &FetchError) {
        if target.ends {
            return;
        }
        let uncollected = UncollectedPod {
            pod: target.pod.clone(),
            uid: target.uid.clone(),
            dataplane: target.dataplane.clone(),
            reason: "MetricsNotCollected",
            note: format!(
                "Metrics at {} cannot be collected: {failed}. {}",
                target.address,
                failed.next_step()
            ),
        };
        self.send(uncollected);
    }

    /// Tells that samples of `target` are left out, because it does not agree with others about families.
    pub(super) fn announce_left_out(&self, target: &PodTarget, what: &str) {
        if target.ends {
            return;
        }
        self.send(UncollectedPod {
            pod: target.pod.clone(),
            uid: target.uid.clone(),
            dataplane: target.dataplane.clone(),
            reason: "MetricsLeftOut",
            note: format!(
                "Samples are left out of the operator's metrics: {what}. Does this pod run another version of Kong or of a plugin than the others?"
            ),
        });
    }

    fn send(&self, uncollected: UncollectedPod) {
        if let Err(error) = self.0.try_send(uncollected) {
            let uncollected = error.into_inner();
            tracing::debug!(pod = %uncollected.pod, "too many Events wait, goes without this one");
        }
    }
}

/// Records Events about what is told, as `instance`, until the drain begins.
pub async fn record(
    client: kube::Client,
    instance: String,
    writes: Writes,
    mut uncollected: mpsc::Receiver<UncollectedPod>,
    drain: Drain,
) {
    let mut events = EventRecorder::new(client, &instance);
    let work = async {
        while let Some(uncollected) = uncollected.recv().await {
            let (about, event) = event(&uncollected);
            let published = writes.run(events.record(&event, &about)).await;
            if let Ok(Err(error)) = published {
                let error = in_words(&error);
                tracing::warn!(error, pod = %uncollected.pod, "cannot record an Event");
            }
        }
    };
    drain.cancel(work).await;
}

fn event(uncollected: &UncollectedPod) -> (ObjectReference, Event) {
    let reference = |version: &str, kind: &str, key: &Key, uid: Option<&String>| ObjectReference {
        api_version: Some(version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.to_string()),
        uid: uid.cloned(),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: uncollected.reason.to_owned(),
        note: Some(uncollected.note.clone()),
        action: "Collect".to_owned(),
        secondary: Some(reference(
            "gateway-operator.konghq.com/v1beta1",
            "DataPlane",
            &uncollected.dataplane,
            None,
        )),
    };
    let about = reference("v1", "Pod", &uncollected.pod, Some(&uncollected.uid));
    (about, event)
}

#[cfg(test)]
mod tests;

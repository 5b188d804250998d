//! Events, one for each thing that is said.
//!
//! kube's recorder takes what has the same reason and is about the same objects for the same Event, and counts it,
//! whatever it says: people would go on reading what was said first.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, Recorder, Reporter};
use std::collections::HashMap;

/// More than this is forgotten: then the same thing is an Event of its own again.
const REMEMBERED: usize = 10_000;

/// An object's kind, namespace and name.
type Named = [Option<String>; 3];

/// Records Events.
pub struct EventRecorder {
    client: kube::Client,
    reporter: Reporter,
    recorder: Recorder,
    /// By object, reason and the other object.
    said: HashMap<(Named, String, Option<Named>), Option<String>>,
}

impl EventRecorder {
    /// Speaks as `instance`.
    #[must_use]
    pub fn new(client: kube::Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: "tagalong".to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter.clone()),
            client,
            reporter,
            said: HashMap::new(),
        }
    }

    /// Records what is said about an object.
    ///
    /// # Errors
    ///
    /// When the API server does not take it.
    pub async fn record(&mut self, event: &Event, object: &ObjectReference) -> kube::Result<()> {
        let named = |object: &ObjectReference| {
            [&object.kind, &object.namespace, &object.name].map(Clone::clone)
        };
        let other = event.secondary.as_ref().map(named);
        let about = (named(object), event.reason.clone(), other);
        if self.said.len() >= REMEMBERED {
            self.said.clear();
        }
        let before = self.said.insert(about, event.note.clone());
        if before.is_some_and(|note| note != event.note) {
            self.recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        }
        self.recorder.publish(event, object).await
    }
}

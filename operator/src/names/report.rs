//! Events on routes whose references no ReferenceGrant permits.

use crate::causes::in_words;
use crate::events::EventRecorder;
use crate::lease::Writes;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use std::collections::{BTreeMap, BTreeSet};
use tagalong_crds::{self as crds, Kind as _};
use tagalong_index::{Nothing, ObjectKind, Source};

/// Anybody who may write routes can make something to report: no more Events than this go out at once.
const AT_ONCE: usize = 32;

/// Reports on routes, each change once.
pub struct RouteReporter {
    events: EventRecorder,
    writes: Writes,
    reported: BTreeMap<Source, BTreeSet<u16>>,
}

impl RouteReporter {
    /// Speaks as `instance`.
    #[must_use]
    pub fn new(client: kube::Client, instance: &str, writes: Writes) -> Self {
        Self {
            events: EventRecorder::new(client, instance),
            writes,
            reported: BTreeMap::new(),
        }
    }

    /// Reports what is new in `not_granted`, which is everything there is. `false`: there is more, for later.
    pub async fn report(&mut self, not_granted: &BTreeMap<Source, BTreeSet<u16>>) -> bool {
        let news = due(&mut self.reported, not_granted);
        for (at, (route, rules)) in news.iter().enumerate() {
            if at >= AT_ONCE {
                return false;
            }
            let (about, event) = (reference(route), event(rules));
            let published = self.writes.run(self.events.record(&event, &about)).await;
            match published {
                Err(_not_leader) => return false,
                Ok(Err(error)) => {
                    let error = in_words(&error);
                    tracing::warn!(error, %route, "cannot record an Event");
                }
                Ok(Ok(())) => {
                    let reason = event.reason.as_str();
                    tracing::info!(%route, reason, "{}", event.note.unwrap_or_default());
                }
            }
            self.reported.insert(route.clone(), rules.clone());
        }
        true
    }
}

/// What is not reported yet. What is no longer so is forgotten, and news when it comes back.
fn due(
    reported: &mut BTreeMap<Source, BTreeSet<u16>>,
    not_granted: &BTreeMap<Source, BTreeSet<u16>>,
) -> Vec<(Source, BTreeSet<u16>)> {
    reported.retain(|route, _| not_granted.contains_key(route));
    let news = not_granted
        .iter()
        .filter(|(route, rules)| reported.get(route) != Some(rules));
    news.map(|(route, rules)| (route.clone(), rules.clone()))
        .collect()
}

fn event(rules: &BTreeSet<u16>) -> Event {
    const LISTED: usize = 10;
    let mut listed: Vec<String> = rules.iter().take(LISTED).map(u16::to_string).collect();
    if rules.len() > LISTED {
        listed.push("…".to_owned());
    }
    let what = tagalong_index::Target::Nothing(Nothing::NotGranted);
    Event {
        type_: EventType::Warning,
        reason: "BackendNotGranted".to_owned(),
        note: Some(format!(
            "Rule {}: {what}. Kong answers its requests with 500, and they get no labels. \
             Create a ReferenceGrant in the Service's namespace, or correct the reference.",
            listed.join(", ")
        )),
        action: "Map".to_owned(),
        secondary: None,
    }
}

fn reference(route: &Source) -> ObjectReference {
    macro_rules! resource {
        ($($name:ident($type:ident) $written:ident,)+) => {
            match route.kind {
                $(ObjectKind::$name => crds::$type::preferred(),)+
            }
        };
    }
    let resource = tagalong_index::for_each_kind!(resource);
    ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        namespace: Some(route.key.namespace.to_string()),
        name: Some(route.key.name.to_string()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;

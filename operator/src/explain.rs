//! Which question a person asks: about a Service, or about one of Kong's names.

use crate::world::State;
use tagalong_index::Key;

/// What is to be said about `what`: `service/NAME`, `service/NAMESPACE/NAME`, or a name of Kong's.
#[must_use]
pub fn say(state: &State, what: &str) -> String {
    let service = what
        .strip_prefix("service/")
        .or_else(|| what.strip_prefix("svc/"));
    let Some(service) = service else {
        return state.index.explain_name(what).to_string();
    };
    if let Ok(key) = service.parse::<Key>() {
        return state.index.explain_service(&key).to_string();
    }
    let services = state.observed.services.keys();
    let mut named: Vec<&Key> = services.filter(|key| *key.name == *service).collect();
    named.sort();
    let unknown = Key::new("default", service);
    if named.is_empty() {
        named.push(&unknown);
    }
    let explained = named
        .into_iter()
        .map(|key| state.index.explain_service(key).to_string());
    explained.collect()
}

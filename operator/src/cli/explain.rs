//! `tagalong-operator explain`: what one of Kong's names maps to, or which names map to a Service, and why.

use crate::args::OperateArgs;
use crate::cli::read::{print, read};
use crate::error::Failure;
use crate::world::State;
use tagalong_index::Key;

/// Prints what a name maps to, and why.
///
/// # Errors
///
/// When nothing can be read.
pub fn run(args: &OperateArgs, what: &str) -> Result<(), Failure> {
    let world = read(args)?;
    print(world.with(|state| say(state, what)).as_bytes())
}

/// What is to be said about `what`: `service/NAME`, `service/NAMESPACE/NAME`, or a name of Kong's.
fn say(state: &State, what: &str) -> String {
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

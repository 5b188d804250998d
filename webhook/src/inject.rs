//! An object in, a JSON Patch out.

mod before;
mod configuration;
mod difference;
mod kind;
mod listen;
mod marker;
mod outcome;
mod overrides;
mod pod;
mod ports;
mod refusal;
mod sidecar;
mod template;

use serde_json::Value;
use tagalong_wire::contract::{INJECT_ENABLED, INJECT_LABEL, SOURCE_ANNOTATION};

use self::kind::Kind;
pub use self::outcome::{Injection, Verdict};
pub use self::refusal::Refusal;
use crate::InjectionSettings;

/// Decides about `object`, a DataPlane, GatewayConfiguration or workload as the API server sent it, and about `old`, what it was before if
/// it is being updated.
///
/// The same arguments give the same bytes, and an object to which the patch was applied gives an empty one.
#[must_use]
pub fn inject(object: &Value, old: Option<&Value>, settings: &InjectionSettings) -> Injection {
    let wanted = object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(INJECT_LABEL))
        == Some(&Value::from(INJECT_ENABLED));
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
    {
        return Injection::unchanged(Verdict::Untouched);
    }
    if Kind::of(object) == Some(Kind::Configuration) {
        return configuration::inject(object, old, wanted, settings);
    }
    let found = Kind::of(object).ok_or(Refusal::Kind).and_then(|kind| {
        Ok((
            kind,
            object
                .pointer(kind.template())
                .ok_or(Refusal::NoTemplate(kind.template_name()))?,
        ))
    });
    let (kind, template) = match found {
        Ok(found) => found,
        Err(refusal) if wanted => {
            let warnings = vec![outcome::refused(&refusal)];
            return Injection {
                warnings,
                ..Injection::unchanged(Verdict::Refused(refusal))
            };
        }
        Err(_) => return Injection::unchanged(Verdict::Untouched),
    };

    let mut warnings = Vec::new();
    let base = marker::removed(template);
    let (desired, verdict) = if let Some(before) = before::kept(kind, object, old, &base, settings)
    {
        (before.clone(), Verdict::Kept)
    } else if wanted {
        match template::added(&base, kind, object, settings, &mut warnings) {
            Ok(mut desired) => {
                let before = old.and_then(|old| old.pointer(kind.template()));
                marker::date(&mut desired, before, template, settings.started);
                (desired, Verdict::Injected)
            }
            Err(refusal) => {
                warnings.push(outcome::refused(&refusal));
                (base, Verdict::Refused(refusal))
            }
        }
    } else if base == *template {
        (base, Verdict::Untouched)
    } else if kind == Kind::DataPlane && has_source(object) {
        (template.clone(), Verdict::Untouched)
    } else {
        warnings.push(outcome::removed());
        (base, Verdict::Removed)
    };
    Injection::change(kind.template(), (template, &desired), verdict, warnings)
}

/// Whether the DataPlane's sidecar comes from a GatewayConfiguration: that it asks for none itself then means nothing.
fn has_source(object: &Value) -> bool {
    object
        .pointer("/metadata/annotations")
        .is_some_and(|annotations| annotations.get(SOURCE_ANNOTATION).is_some())
}

//! When an update leaves the pod template as it was, whatever these settings would make of it.

use serde_json::Value;
use tagalong_wire::contract::{
    IMAGE_ANNOTATION, INJECT_LABEL, PORT_ANNOTATION, RESOURCES_ANNOTATION,
};

use super::kind::Kind;
use super::marker;
use crate::InjectionSettings;

/// The pod template before the update, if it has to stay, given that `base` is the user's part of it after the update.
pub(super) fn kept<'a>(
    kind: Kind,
    object: &Value,
    old: Option<&'a Value>,
    base: &Value,
    settings: &InjectionSettings,
) -> Option<&'a Value> {
    let old = old?;
    let before = old.pointer(kind.template())?;
    let held = promoting(kind, old) || is_later(before, object, old, settings);
    (held && marker::removed(before) == *base).then_some(before)
}

/// Whether a webhook that started later has made the pod template what it was before, and is asked for nothing new.
pub(super) fn is_later(
    before: &Value,
    object: &Value,
    old: &Value,
    settings: &InjectionSettings,
) -> bool {
    marker::since(before) > Some(settings.started) && asks_the_same(object, old)
}

/// Whether a blue/green promotion is under way. The DataPlane CRD then turns down every change of spec ("DataPlane spec
/// cannot be updated when promotion is in progress"), and with it a request that is none of our business.
fn promoting(kind: Kind, old: &Value) -> bool {
    let conditions = old
        .pointer("/status/rollout/conditions")
        .and_then(Value::as_array);
    kind == Kind::DataPlane
        && conditions.into_iter().flatten().any(|condition| {
            let is = |field: &str, text: &str| {
                condition.get(field).and_then(Value::as_str) == Some(text)
            };
            is("type", "RolledOut") && is("reason", "PromotionInProgress")
        })
}

/// Whether the update changes nothing of what the sidecar is made from, apart from the pod template.
///
/// While tagalong itself is updated, replicas of two versions answer in turn. An owner that patches a DataPlane at each
/// reconcile would then be given one sidecar after the other, and each time Kong's pods would be replaced. So what a
/// webhook that started later has put in, an earlier one leaves alone; unless it is asked for something new.
fn asks_the_same(object: &Value, old: &Value) -> bool {
    let same = |map: &str, name: &str| {
        let value = |object: &Value| object.pointer(map).and_then(|map| map.get(name)).cloned();
        value(object) == value(old)
    };
    same("/metadata/labels", INJECT_LABEL)
        && [IMAGE_ANNOTATION, PORT_ANNOTATION, RESOURCES_ANNOTATION]
            .iter()
            .all(|name| same("/metadata/annotations", name))
}

//! The label that asks for the sidecar, on DataPlanes and GatewayConfigurations, and what says whose it is.

use crate::reconcile::sources::Place;
use crate::world::observed::{ADDED_LABEL, NOT_COPIED, ObservedConfiguration, ObservedDataPlane};
use serde_json::{Value, json};
use tagalong_wire::contract::{
    INJECT_ENABLED, INJECT_LABEL, SOURCE, SOURCE_ANNOTATION, TAKEN_OVER_ANNOTATION,
};

/// What puts the label on a DataPlane, or takes it off if it is ours.
pub(super) fn dataplane(dataplane: &ObservedDataPlane, place: Place) -> Option<Value> {
    if dataplane.deleting || place == Place::AsItIs {
        return None;
    }
    let enabled = dataplane.label.as_deref() == Some(INJECT_ENABLED);
    let desired = matches!(place, Place::Itself | Place::NotCopied);
    let (label, added) = match (desired, dataplane.added) {
        (true, true) if enabled => return None,
        // Whatever a person put there stands, be it `enabled` or not.
        (true, false) if dataplane.label.is_some() => return None,
        (true, _) if place == Place::NotCopied => (json!(INJECT_ENABLED), json!(NOT_COPIED)),
        (true, _) => (json!(INJECT_ENABLED), json!("true")),
        (false, false) if dataplane.source && place == Place::Nowhere => {
            return Some(json!({"metadata": {
                "resourceVersion": dataplane.version,
                "annotations": {SOURCE_ANNOTATION: null},
            }}));
        }
        (false, false) => return None,
        (false, true) if enabled => (Value::Null, Value::Null),
        (false, true) => (json!(dataplane.label), Value::Null),
    };
    let mut annotations = json!({ADDED_LABEL: added});
    if place == Place::Above {
        // So the sidecar is not taken out with the label.
        annotations[SOURCE_ANNOTATION] = json!(SOURCE);
    } else if dataplane.source {
        annotations[SOURCE_ANNOTATION] = Value::Null;
    }
    Some(json!({"metadata": {
        "resourceVersion": dataplane.version,
        "labels": {INJECT_LABEL: label},
        "annotations": annotations,
    }}))
}

/// Whether the DataPlane has a sidecar that only its GatewayConfiguration keeps in it.
pub(super) fn is_left_alone(dataplane: &ObservedDataPlane) -> bool {
    dataplane.of_gateway
        && dataplane.label.is_none()
        && dataplane.injected.is_some()
        && !dataplane.deleting
}

/// What puts the label on a GatewayConfiguration, or takes it off if it is ours. With it comes the marker of a DataPlane that
/// had its sidecar first.
pub(super) fn configuration(
    configuration: &ObservedConfiguration,
    desired: Option<&Option<String>>,
) -> Option<Value> {
    let (label, annotations) = match (desired, &configuration.label) {
        _ if configuration.deleting => return None,
        // Whoever replaced all labels has left what was taken over.
        (Some(_), None) if configuration.added => (json!(INJECT_ENABLED), json!({})),
        (Some(marker), None) => {
            let annotations = json!({ADDED_LABEL: "true", TAKEN_OVER_ANNOTATION: marker});
            (json!(INJECT_ENABLED), annotations)
        }
        (None, label) if configuration.added => {
            let enabled = label.as_deref() == Some(INJECT_ENABLED);
            let annotations = json!({ADDED_LABEL: null, TAKEN_OVER_ANNOTATION: null});
            (
                if enabled { Value::Null } else { json!(label) },
                annotations,
            )
        }
        _ => return None,
    };
    Some(json!({"metadata": {
        "resourceVersion": configuration.version,
        "labels": {INJECT_LABEL: label},
        "annotations": annotations,
    }}))
}

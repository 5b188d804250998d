//! The definition of [`DataPlaneMetricsExtension`](crate::DataPlaneMetricsExtension), from its Rust types.
//!
//! Only `crdgen` and tests need it, so it is a Cargo feature: what it takes to derive a schema is in no other program.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt as _;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::metrics_extension::Published;

/// The definition to install.
#[must_use]
pub fn custom_resource_definition() -> CustomResourceDefinition {
    let mut definition = Published::crd();
    for version in &mut definition.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            schema.title = None;
            as_published(schema);
        }
    }
    definition
}

// What the derived schema has otherwise than Kong's: there `spec` is optional and `serviceSelector` is required without a
// default, and nothing is nullable (the API server drops a `null` of a field that has a default and refuses others).
fn as_published(schema: &mut JSONSchemaProps) {
    let properties = schema.properties.get_or_insert_default();
    if let Some(selector) = properties.get_mut("serviceSelector") {
        selector.default = None;
        schema.required = Some(vec!["serviceSelector".to_owned()]);
    } else if properties.contains_key("spec") {
        schema.required = None;
    }
    schema.nullable = None;
    for property in properties.values_mut() {
        as_published(property);
    }
    if properties.is_empty() {
        schema.properties = None;
    }
}

// Kubernetes' own conditions, with the limits that its API conventions name.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "message": {"type": "string", "maxLength": 32768},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "type": {"type": "string", "maxLength": 316}
            }
        },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"]
    })
}

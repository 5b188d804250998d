//! DataPlaneMetricsExtension, as Kong published it, and what tagalong adds: conditions, columns and a short name.
//!
//! The schema accepts whatever Kong's own schemas of the kind (Gateway Operator 1.2 to Kong Operator 2.x) accept, so that
//! replacing Kong's CRD with this one leaves no stored object invalid. That is why it has no validation rules (CEL) beyond
//! those: an object that Kong took must not become one that can no longer be updated.

#![cfg_attr(
    feature = "schema",
    allow(
        clippy::duplicated_attributes,
        reason = "several printer columns are strings"
    )
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

use crate::{kind::kind, lenient::or_default};

/// The condition that sums up all others.
pub const CONDITION_READY: &str = "Ready";

kind! {
    /// Which Services' metrics an attached DataPlane collects and enriches.
    DataPlaneMetricsExtension = namespaced "gateway-operator.konghq.com" / ["v1alpha1"]
        "DataPlaneMetricsExtension" "dataplanemetricsextensions" {
        /// What is wanted. Kong's schema allows an object without it.
        #[serde(default, deserialize_with = "or_default")]
        spec: MetricsExtensionSpec,
        /// What was found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<MetricsExtensionStatus>,
    }
}

/// The metrics to collect, and the Services to collect them for.
// The derived root type is used for nothing but the schema: it would refuse an object without `spec`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, kube::CustomResource),
    kube(
        group = "gateway-operator.konghq.com",
        version = "v1alpha1",
        kind = "DataPlaneMetricsExtension",
        root = "Published",
        plural = "dataplanemetricsextensions",
        namespaced,
        status = "MetricsExtensionStatus",
        shortname = "dpme",
        category = "kong",
        doc = "DataPlaneMetricsExtension names the Services whose metrics a ControlPlane's DataPlane collects, and which metrics.",
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="Ready")].status"#
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            priority = 1,
            json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
        ),
        printcolumn(
            name = "ControlPlane",
            type_ = "string",
            json_path = ".status.controlPlaneRef.name"
        ),
        printcolumn(
            name = "Age",
            type_ = "date",
            json_path = ".metadata.creationTimestamp"
        )
    )
)]
#[serde(rename_all = "camelCase")]
pub struct MetricsExtensionSpec {
    /// Which metrics are collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<MetricsConfig>,
    /// The Services, in the namespace of the ControlPlane.
    #[serde(default, deserialize_with = "or_default")]
    pub service_selector: ServiceSelector,
}

/// Which metrics Kong's prometheus plugin collects.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "the published fields")]
pub struct MetricsConfig {
    /// Bytes in and out, for each consumer, service and route (the plugin's `bandwidth_metrics`).
    #[serde(default, deserialize_with = "or_default")]
    pub bandwidth: bool,
    /// Latencies of Kong and of upstreams (the plugin's `latency_metrics`).
    #[serde(default, deserialize_with = "or_default")]
    pub latency: bool,
    /// Requests by status code (the plugin's `status_code_metrics`).
    #[serde(default, deserialize_with = "or_default")]
    pub status_code: bool,
    /// Health of upstreams' targets (the plugin's `upstream_health_metrics`).
    #[serde(default, deserialize_with = "or_default")]
    pub upstream_health: bool,
}

/// Services, by name, in the namespace of the ControlPlane that the extension is attached to.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceSelector {
    /// The Services.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])))]
    pub match_names: Vec<MatchName>,
}

/// One Service.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MatchName {
    /// The name of the Service.
    pub name: String,
}

/// The observed state of the extension.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricsExtensionStatus {
    /// The ControlPlane that the extension is attached to; absent when it is attached to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_ref: Option<ControlPlaneRef>,
    /// Accepted, ResolvedRefs, Programmed and Ready, each with a reason.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "crate::schema::conditions")
    )]
    pub conditions: Vec<Condition>,
    /// The generation of the object that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A ControlPlane.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlPlaneRef {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

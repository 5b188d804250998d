//! Kinds of Kong Gateway Operator 1.x and Kong Operator 2.x.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{kind::kind, lenient::or_default};

kind! {
    /// A ControlPlane. Version `v1beta1` is Kong Gateway Operator's, `v2beta1` Kong Operator's; the type reads both.
    ControlPlane = namespaced "gateway-operator.konghq.com" / ["v2beta1", "v1beta1"] "ControlPlane" "controlplanes" {
        /// Which DataPlane it drives, and how.
        #[serde(default)]
        spec: ControlPlaneSpec,
        /// What Kong's operator says.
        #[serde(default, deserialize_with = "or_default")]
        status: ControlPlaneStatus,
    }
}

kind! {
    /// A DataPlane.
    DataPlane = namespaced "gateway-operator.konghq.com" / ["v1beta1"] "DataPlane" "dataplanes" {
        /// The pods.
        #[serde(default, deserialize_with = "or_default")]
        spec: DataPlaneOptions,
        /// What Kong's operator says.
        #[serde(default, deserialize_with = "or_default")]
        status: DataPlaneStatus,
    }
}

kind! {
    /// A GatewayConfiguration: what Kong's operator makes ControlPlanes and DataPlanes of.
    GatewayConfiguration = namespaced "gateway-operator.konghq.com" / ["v2beta1", "v1beta1"]
        "GatewayConfiguration" "gatewayconfigurations" {
        /// Extensions.
        #[serde(default)]
        spec: GatewayConfigurationSpec,
    }
}

/// What is read of a ControlPlane's specification.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneSpec {
    /// The DataPlane: a name in `v1beta1`, an object in `v2beta1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataplane: Option<DataPlaneRef>,
    /// Extensions; among them ours.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub extensions: Vec<ExtensionRef>,
    /// Which namespaces it watches; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_namespaces: Option<WatchNamespaces>,
}

/// How a ControlPlane names its DataPlane.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum DataPlaneRef {
    /// `v1beta1`: by name, in its own namespace.
    Name(String),
    /// `v2beta1`: by reference, or through its owner and [`ControlPlaneStatus::data_plane`].
    Ref {
        /// The name; absent where the ControlPlane finds its DataPlane through its owner (`managedByOwner`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        r#ref: Option<NameRef>,
    },
}

/// A name in the namespace of the object that holds it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct NameRef {
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// A reference to an extension.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct ExtensionRef {
    /// API group; absent means `gateway-operator.konghq.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace; absent means that of the object which holds the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Which namespaces a ControlPlane watches.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct WatchNamespaces {
    /// `all`, `own` or `list`.
    #[serde(default)]
    pub r#type: String,
    /// The namespaces, for `list`; its own always counts.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub list: Vec<String>,
}

/// What Kong's operator says of a ControlPlane.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneStatus {
    /// The DataPlane that it found through its owner (`managedByOwner`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane: Option<NameRef>,
}

/// What Kong's operator says of a DataPlane.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DataPlaneStatus {
    /// The value of the label `gateway-operator.konghq.com/selector` on its pods: a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// What is read of a GatewayConfiguration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConfigurationSpec {
    /// Extensions of ControlPlane and DataPlane together (Kong Gateway Operator from 1.5, Kong Operator).
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub extensions: Vec<ExtensionRef>,
    /// Options of ControlPlanes (`v1beta1`: with extensions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_options: Option<ControlPlaneOptions>,
    /// Options of DataPlanes.
    #[serde(default, deserialize_with = "or_default")]
    pub data_plane_options: DataPlaneOptions,
}

/// What is read of a DataPlane's options: a DataPlane's specification, or that part of a GatewayConfiguration's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DataPlaneOptions {
    /// The Deployment.
    #[serde(default, deserialize_with = "or_default")]
    pub deployment: DataPlaneDeployment,
}

/// What is read of a DataPlane's Deployment.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlaneDeployment {
    /// The pods.
    #[serde(default, deserialize_with = "or_default")]
    pub pod_template_spec: DataPlanePods,
}

/// What is read of a pod template: whether the sidecar is in it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DataPlanePods {
    /// Its annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: DataPlanePodMetadata,
    /// Its containers.
    #[serde(default, deserialize_with = "or_default")]
    pub spec: DataPlanePodSpec,
}

/// What is read of a pod template's metadata.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DataPlanePodMetadata {
    /// Annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What is read of a pod template's specification.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlanePodSpec {
    /// Containers.
    #[serde(default, deserialize_with = "or_default")]
    pub containers: Vec<NameRef>,
    /// Init containers.
    #[serde(default, deserialize_with = "or_default")]
    pub init_containers: Vec<NameRef>,
    /// Volumes.
    #[serde(default, deserialize_with = "or_default")]
    pub volumes: Vec<NameRef>,
}

impl DataPlanePods {
    /// Whether it has a container, or init container, of that name.
    #[must_use]
    pub fn has_container(&self, name: &str) -> bool {
        let all = self
            .spec
            .containers
            .iter()
            .chain(&self.spec.init_containers);
        all.into_iter().any(|container| container.name == name)
    }

    /// Whether it has a volume of that name.
    #[must_use]
    pub fn has_volume(&self, name: &str) -> bool {
        self.spec.volumes.iter().any(|volume| volume.name == name)
    }
}

/// What is read of a ControlPlane's options.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneOptions {
    /// Extensions.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub extensions: Vec<ExtensionRef>,
    /// The namespaces that the ControlPlane watches; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_namespaces: Option<WatchNamespaces>,
}

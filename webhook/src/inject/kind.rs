//! Which objects are ours to change, and where in them the pod template is.

use serde_json::Value;

/// A kind of object that runs Kong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `DataPlane` of Kong's operators. They fill in what the pod template leaves out.
    DataPlane,
    /// `GatewayConfiguration` of Kong's operators, from which they copy the pod template to DataPlanes.
    Configuration,
    /// Kong without an operator: Deployment, DaemonSet or StatefulSet.
    Workload,
}

impl Kind {
    /// By `apiVersion` and `kind`. Any version of Kong's kinds will do: all have had the pod template in one place.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let (group, _version) = object.get("apiVersion")?.as_str()?.split_once('/')?;
        match (group, object.get("kind")?.as_str()?) {
            ("gateway-operator.konghq.com", "DataPlane") => Some(Self::DataPlane),
            ("gateway-operator.konghq.com", "GatewayConfiguration") => Some(Self::Configuration),
            ("apps", "Deployment" | "DaemonSet" | "StatefulSet") => Some(Self::Workload),
            _ => None,
        }
    }

    /// JSON pointer of the pod template.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::DataPlane => "/spec/deployment/podTemplateSpec",
            Self::Configuration => "/spec/dataPlaneOptions/deployment/podTemplateSpec",
            Self::Workload => "/spec/template",
        }
    }

    /// The same, as people write it.
    pub(super) fn template_name(self) -> &'static str {
        match self {
            Self::DataPlane => "spec.deployment.podTemplateSpec",
            Self::Configuration => "spec.dataPlaneOptions.deployment.podTemplateSpec",
            Self::Workload => "spec.template",
        }
    }

    /// Whether Kong's operators make the pods, and fill in what the pod template leaves out.
    pub(super) fn is_operated(self) -> bool {
        self != Self::Workload
    }

    /// What `KONG_STATUS_LISTEN` is where the `proxy` container does not set it. Kong's operators have one default
    /// for all versions of Kong (`KongDefaults` in their `internal/utils/config/dataplane.go`). Kong itself has not:
    /// the open one listens on 127.0.0.1:8007 since 3.4, the enterprise one not at all.
    pub(super) fn default_status_listen(self) -> Option<&'static str> {
        match self {
            Self::DataPlane | Self::Configuration => Some("0.0.0.0:8100"),
            Self::Workload => None,
        }
    }

    /// The ports that Kong takes where its container does not set the variable.
    pub(super) fn default_ports(self) -> &'static [(&'static str, &'static [u16])] {
        match self {
            Self::DataPlane | Self::Configuration => &[
                ("KONG_PROXY_LISTEN", &[8000, 8443]),
                ("KONG_ADMIN_LISTEN", &[8444]),
                ("KONG_ADMIN_GUI_LISTEN", &[8002, 8445]),
                ("KONG_STATUS_LISTEN", &[8100]),
            ],
            Self::Workload => &[
                ("KONG_PROXY_LISTEN", &[8000, 8443]),
                ("KONG_ADMIN_LISTEN", &[8001, 8444]),
                ("KONG_ADMIN_GUI_LISTEN", &[8002, 8445]),
            ],
        }
    }
}

/// Whether the object is owned by a DataPlane: then its operator compares every field of the pod template, and what
/// is added here would be taken out at each reconcile.
pub(super) fn owned_by_data_plane(object: &Value) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| {
        owner.get("kind").and_then(Value::as_str) == Some("DataPlane")
            && owner
                .get("apiVersion")
                .and_then(Value::as_str)
                .is_some_and(|version| version.starts_with("gateway-operator.konghq.com/"))
    })
}

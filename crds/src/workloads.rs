//! Workloads that run Kong without an operator of Kong's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use crate::kind::kind;

kind! {
    /// A Deployment.
    Deployment = namespaced "apps" / ["v1"] "Deployment" "deployments" {
        /// Which pods are its own.
        #[serde(default)]
        spec: WorkloadSpec,
    }
}

kind! {
    /// A DaemonSet.
    DaemonSet = namespaced "apps" / ["v1"] "DaemonSet" "daemonsets" {
        /// Which pods are its own.
        #[serde(default)]
        spec: WorkloadSpec,
    }
}

kind! {
    /// A StatefulSet.
    StatefulSet = namespaced "apps" / ["v1"] "StatefulSet" "statefulsets" {
        /// Which pods are its own.
        #[serde(default)]
        spec: WorkloadSpec,
    }
}

/// Which pods are a workload's own.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct WorkloadSpec {
    /// Labels of its pods.
    #[serde(default)]
    pub selector: LabelSelector,
}

//! Who answers for the group in this cluster, and what to do about it: decided here, without a client.
//!
//! There is one server for each version of a group. HPAs ask the preferred version, whoever serves it: ours beside
//! another adapter's would take all its HPAs away. So both versions are ours, or none.

use crate::custom_metrics::GROUP;
use crate::custom_metrics::path::Version;
use k8s_openapi::ByteString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIService, APIServiceSpec, ServiceReference,
};
use kube::api::ObjectMeta;
use std::time::Duration;
use tagalong_wire::contract::{MANAGED_BY, MANAGED_BY_LABEL};
use tokio::time::Instant;

/// How long the group must be nobody's, once it was somebody's: an adapter may be on its way back.
const VACANT: Duration = Duration::from_secs(600);
const GROUP_PRIORITY: i32 = 100;

/// Where our API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedAt {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Its port.
    pub port: i32,
}

/// Whose the APIService of a version is.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupOwner {
    /// There is none.
    Nobody,
    /// It is ours.
    Us(Box<APIService>),
    /// It is of whoever this names.
    Other(String),
}

impl GroupOwner {
    /// As the value of a label.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Nobody => "absent",
            Self::Us(_) => "ours",
            Self::Other(_) => "foreign",
        }
    }

    /// Whose this is. Ours has our label and leads to us: an adapter that is applied over it leaves the label there.
    #[must_use]
    pub fn of(found: Option<APIService>, at: &ServedAt) -> Self {
        let Some(found) = found else {
            return Self::Nobody;
        };
        let labels = found.metadata.labels.iter().flatten();
        let labelled = labels
            .filter(|(key, _)| *key == MANAGED_BY_LABEL)
            .any(|(_, value)| value == MANAGED_BY);
        let leads_to = found.spec.as_ref().and_then(|spec| spec.service.as_ref());
        let name = leads_to.map(|service| {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            (part(&service.namespace), part(&service.name))
        });
        match name {
            Some((namespace, service)) if namespace == at.namespace && service == at.service => {
                if labelled {
                    Self::Us(Box::new(found))
                } else {
                    Self::Other(format!("{namespace}/{service}, made by somebody else"))
                }
            }
            Some((namespace, service)) => Self::Other(format!("{namespace}/{service}")),
            None => Self::Other("the API server itself".to_owned()),
        }
    }
}

/// A write that is due.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiServiceWrite {
    /// Make it.
    Create(Box<APIService>),
    /// Write it over ours, as that was read.
    Replace(Box<APIService>),
    /// Take ours away, as it was read.
    Delete(Box<APIService>),
}

/// What was seen of the group so far.
#[derive(Debug, Default)]
pub struct Succession {
    /// Since when it has been nobody's; none, while it is somebody's.
    vacant_since: Option<Instant>,
    /// Whether it was ever somebody's.
    was_taken: bool,
}

impl Succession {
    /// What is due, now that the versions (in the order of [`Version::ALL`]) are whose `owners` says.
    pub fn due(
        &mut self,
        owners: &[GroupOwner; 2],
        at: &ServedAt,
        bundle: Option<&str>,
        now: Instant,
    ) -> Vec<ApiServiceWrite> {
        let any = |wanted: fn(&GroupOwner) -> bool| owners.iter().any(wanted);
        if any(|owner| *owner != GroupOwner::Nobody) {
            self.vacant_since = None;
            self.was_taken = true;
        } else {
            let since = *self.vacant_since.get_or_insert(now);
            if self.was_taken && now.duration_since(since) < VACANT {
                return Vec::new();
            }
        }
        if any(|owner| matches!(owner, GroupOwner::Other(_))) {
            let ours = owners.iter().filter_map(|owner| match owner {
                GroupOwner::Us(ours) => Some(ApiServiceWrite::Delete(ours.clone())),
                _ => None,
            });
            return ours.collect();
        }
        // Without it the API server would not believe us.
        let Some(bundle) = bundle else {
            return Vec::new();
        };
        let write = |(version, owner): (Version, &GroupOwner)| {
            let spec = spec(version, at, bundle);
            match owner {
                GroupOwner::Us(ours) if ours.spec.as_ref() == Some(&spec) => None,
                GroupOwner::Us(ours) => {
                    let mut ours = ours.clone();
                    ours.spec = Some(spec);
                    ours.status = None;
                    ours.metadata.managed_fields = None;
                    Some(ApiServiceWrite::Replace(ours))
                }
                _ => Some(ApiServiceWrite::Create(Box::new(APIService {
                    metadata: ObjectMeta {
                        name: Some(name(version)),
                        labels: Some([(MANAGED_BY_LABEL.into(), MANAGED_BY.into())].into()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(spec),
                    ..APIService::default()
                }))),
            }
        };
        Version::ALL
            .into_iter()
            .zip(owners)
            .filter_map(write)
            .collect()
    }
}

/// The name of a version's APIService.
#[must_use]
pub fn name(version: Version) -> String {
    format!("{}.{GROUP}", version.name())
}

fn spec(version: Version, at: &ServedAt, bundle: &str) -> APIServiceSpec {
    APIServiceSpec {
        ca_bundle: Some(ByteString(bundle.as_bytes().to_owned())),
        group: Some(GROUP.to_owned()),
        group_priority_minimum: GROUP_PRIORITY,
        insecure_skip_tls_verify: None,
        service: Some(ServiceReference {
            name: Some(at.service.clone()),
            namespace: Some(at.namespace.clone()),
            port: Some(at.port),
        }),
        version: Some(version.name().to_owned()),
        version_priority: match version {
            Version::V1Beta2 => 200,
            Version::V1Beta1 => 100,
        },
    }
}

/// What people are told of a version that is somebody else's.
#[must_use]
pub fn foreign(version: Version, owner: &GroupOwner) -> Option<String> {
    let GroupOwner::Other(other) = owner else {
        return None;
    };
    let name = name(version);
    Some(format!(
        "APIService {name} belongs to {other}: HPAs get their metrics from there, and tagalong keeps off. Remove that adapter to have tagalong answer, or keep it and turn customMetrics off"
    ))
}

#[cfg(test)]
mod tests;

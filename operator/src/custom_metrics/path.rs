//! What a request asks for, read from its path and query.

use crate::custom_metrics::GROUP;
use crate::custom_metrics::denial::Denial;
use crate::custom_metrics::signals::Described;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The versions of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `v1beta1`.
    V1Beta1,
    /// `v1beta2`.
    V1Beta2,
}

impl Version {
    /// All, the preferred one first.
    pub const ALL: [Self; 2] = [Self::V1Beta2, Self::V1Beta1];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1Beta2 => "v1beta2",
        }
    }

    /// As `apiVersion` of what it serves.
    #[must_use]
    pub const fn group_version(self) -> &'static str {
        match self {
            Self::V1Beta1 => "custom.metrics.k8s.io/v1beta1",
            Self::V1Beta2 => "custom.metrics.k8s.io/v1beta2",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Whether the server lives.
    Alive,
    /// `/apis`: all groups, or the aggregated document.
    Groups,
    /// The group.
    Group,
    /// What a version has.
    Resources(Version),
    /// The OpenAPI document, version 2.
    OpenApi2,
    /// The same, version 3.
    OpenApi3,
    /// All values of an object, as JSON.
    Values {
        /// The object's resource.
        resource: &'static str,
        /// The object's namespace.
        namespace: Cow<'a, str>,
        /// Its name.
        name: Cow<'a, str>,
    },
    /// A metric of an object.
    Metric {
        /// The version that is asked.
        version: Version,
        /// The object's resource.
        resource: Cow<'a, str>,
        /// The object's namespace.
        namespace: Cow<'a, str>,
        /// Its name.
        name: Cow<'a, str>,
        /// The metric's name.
        metric: Cow<'a, str>,
    },
}

impl Asked<'_> {
    /// Whether this is but to tell what there is, which every authenticated user may ask.
    #[must_use]
    pub const fn is_discovery(&self) -> bool {
        !matches!(self, Self::Metric { .. } | Self::Values { .. })
    }

    /// The object whose values are asked for.
    #[must_use]
    pub fn values(&self) -> Option<Described<'_>> {
        match self {
            Self::Values {
                resource,
                namespace,
                name,
            } => Some(Described {
                resource,
                namespace,
                name,
            }),
            _ => None,
        }
    }

    /// The object and the metric.
    #[must_use]
    pub fn metric(&self) -> Option<(Version, Described<'_>, &str)> {
        match self {
            Self::Metric {
                version,
                resource,
                namespace,
                name,
                metric,
            } => {
                let object = Described {
                    resource,
                    namespace,
                    name,
                };
                Some((*version, object, metric))
            }
            _ => None,
        }
    }
}

/// Reads path and query. Segments are compared as they are meant (`%2A` is a star), and none may hide a slash or be empty.
///
/// # Errors
///
/// When nothing is there, or not to be had in this way.
pub fn read(uri: &Uri) -> Result<Asked<'_>, Denial> {
    let path = uri.path();
    let mut segments: [Cow<'_, str>; 9] = Default::default();
    let mut count = 0;
    let raw = path.strip_prefix('/').ok_or_else(|| nothing(path))?;
    // One slash at the end is no segment.
    for segment in raw.strip_suffix('/').unwrap_or(raw).split('/') {
        let decoded = percent_decode_str(segment).decode_utf8();
        let decoded = decoded.map_err(|_| nothing(path))?;
        if decoded.is_empty() || decoded.contains('/') {
            return Err(nothing(path));
        }
        *segments.get_mut(count).ok_or_else(|| nothing(path))? = decoded;
        count += 1;
    }
    let all = segments.get_mut(..count).unwrap_or_default();
    match all {
        [a] if a == "livez" => Ok(Asked::Alive),
        [a] if a == "apis" => Ok(Asked::Groups),
        [a, kind, namespace, name] if a == "v1" => Ok(Asked::Values {
            resource: match &**kind {
                "services" => "services",
                "dataplanes" => "dataplanes.gateway-operator.konghq.com",
                _ => return Err(nothing(path)),
            },
            namespace: std::mem::take(namespace),
            name: std::mem::take(name),
        }),
        [a, b] if a == "openapi" && b == "v2" => Ok(Asked::OpenApi2),
        [a, b] if a == "openapi" && b == "v3" => Ok(Asked::OpenApi3),
        [a, b] if a == "apis" && b == GROUP => Ok(Asked::Group),
        [a, b, version, rest @ ..] if a == "apis" && b == GROUP => {
            let version = Version::ALL.into_iter().find(|one| version == one.name());
            inside(version.ok_or_else(|| nothing(path))?, rest, uri)
        }
        _ => Err(nothing(path)),
    }
}

fn inside<'a>(
    version: Version,
    rest: &mut [Cow<'a, str>],
    uri: &'a Uri,
) -> Result<Asked<'a>, Denial> {
    match rest {
        [] => Ok(Asked::Resources(version)),
        [a, _, b, metric] if a == "namespaces" && b == "metrics" => {
            Err(Denial::not_found(format!(
                "tagalong has no metrics of namespaces, so no {metric}: ask for a Service (describedObject of kind Service)"
            )))
        }
        [a, _, pods, _, metric] if a == "namespaces" && pods == "pods" => {
            Err(Denial::not_found(format!(
                "tagalong has no metrics of single pods, so no {metric}: Kong counts by Service. Use a metric of type Object with describedObject of kind Service"
            )))
        }
        [a, namespace, resource, name, metric] if a == "namespaces" => {
            if name == "*" {
                return Err(Denial::new(
                    StatusCode::BAD_REQUEST,
                    format!(
                        "tagalong answers for one object at a time: name one of {resource} instead of *"
                    ),
                ));
            }
            selects_nothing(uri)?;
            Ok(Asked::Metric {
                version,
                namespace: std::mem::take(namespace),
                resource: std::mem::take(resource),
                name: std::mem::take(name),
                metric: std::mem::take(metric),
            })
        }
        [resource, _, metric] => Err(Denial::not_found(format!(
            "tagalong has no metrics of {resource}, which have no namespace, so no {metric}"
        ))),
        _ => Err(nothing(uri.path())),
    }
}

/// Another question would be answered if a selector were ignored.
fn selects_nothing(uri: &Uri) -> Result<(), Denial> {
    let query = uri.query().unwrap_or_default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let key = &*key;
        match key {
            "metricLabelSelector" | "labelSelector" if !value.is_empty() => {
                return Err(Denial::new(
                    StatusCode::BAD_REQUEST,
                    format!(
                        "tagalong's metrics take no selector, and this one was to be {value:?}: remove metric.selector from the HPA"
                    ),
                ));
            }
            "watch" if matches!(&*value, "true" | "1") => {
                return Err(Denial::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "metrics cannot be watched: ask for them again",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn nothing(path: &str) -> Denial {
    // A stranger's path may be long.
    let shown: String = path.chars().take(200).collect();
    Denial::not_found(format!(
        "tagalong serves nothing at {shown}: metrics are at /apis/{GROUP}/v1beta2/namespaces/NAMESPACE/services/NAME/METRIC"
    ))
}

#[cfg(test)]
mod tests;

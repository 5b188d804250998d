//! What the API says it has: documents that are made once, of the catalogue, and are there before anything else is.
//! While one cannot be had, the cluster's namespaces cannot be deleted.

use crate::custom_metrics::GROUP;
use crate::custom_metrics::denial::JSON;
use crate::custom_metrics::path::{Asked, Version};
use crate::custom_metrics::signals::CatalogueEntry;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    APIGroup, APIGroupList, APIResource, APIResourceList, GroupVersionForDiscovery,
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The forms of the aggregated document (KEP-3352), the better one first.
const AGGREGATED: [(&str, &str); 2] = [
    (
        "v2",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    ),
    (
        "v2beta1",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    ),
];

/// A body that never changes, with its tag.
#[derive(Clone, Debug)]
struct Document {
    body: Bytes,
    tag: HeaderValue,
    kind: HeaderValue,
}

/// All documents.
#[derive(Clone, Debug)]
pub struct Documents {
    aggregated: [Document; 2],
    groups: Document,
    group: Document,
    /// In the order of [`Version::ALL`].
    resources: [Document; 2],
    open_api_2: Document,
    open_api_3: Document,
}

impl Documents {
    /// Makes them.
    #[must_use]
    pub fn new(catalogue: &[CatalogueEntry]) -> Self {
        let one = group();
        let list = APIGroupList {
            groups: vec![one.clone()],
        };
        Self {
            aggregated: AGGREGATED.map(|(version, kind)| {
                let document = aggregated(version, catalogue);
                document_of(&document, HeaderValue::from_static(kind))
            }),
            groups: document_of(&list, JSON),
            group: document_of(&one, JSON),
            resources: Version::ALL
                .map(|version| document_of(&resources(version, catalogue), JSON)),
            // Without these the API server writes an error into its log each minute.
            open_api_2: document_of(
                &json!({"swagger": "2.0", "info": {"title": "tagalong", "version": "v0"}, "paths": {}}),
                JSON,
            ),
            open_api_3: document_of(&json!({"paths": {}}), JSON),
        }
    }

    /// The answer, if it is one of these.
    #[must_use]
    pub fn answer(&self, asked: &Asked<'_>, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        let document = match asked {
            Asked::Groups => self.form(headers),
            Asked::Group => &self.group,
            Asked::Resources(version) => {
                let at = Version::ALL.iter().position(|one| one == version)?;
                self.resources.get(at)?
            }
            Asked::OpenApi2 => &self.open_api_2,
            Asked::OpenApi3 => &self.open_api_3,
            Asked::Alive | Asked::Metric { .. } | Asked::Values { .. } => return None,
        };
        let unchanged = headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
            let tags = tags.to_str().unwrap_or_default().split(',');
            let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            tags.map(weak).any(|tag| tag == document.tag)
        });
        let mut answer = Response::new(Full::default());
        if unchanged {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *answer.body_mut() = Full::new(document.body.clone());
        }
        let about = answer.headers_mut();
        about.insert(CONTENT_TYPE, document.kind.clone());
        about.insert(ETAG, document.tag.clone());
        about.insert(VARY, HeaderValue::from_static("accept"));
        Some(answer)
    }

    /// `/apis` is the aggregated document for whoever knows it, and the list of groups for all others.
    fn form(&self, headers: &HeaderMap) -> &Document {
        let accepts = headers.get_all(ACCEPT);
        let ranges = accepts.iter().filter_map(|line| line.to_str().ok());
        for range in ranges.flat_map(|line| line.split(',')) {
            if let Some(at) = AGGREGATED.iter().position(|(_, kind)| same(range, kind))
                && let Some(document) = self.aggregated.get(at)
            {
                return document;
            }
        }
        &self.groups
    }
}

/// Whether a media range names `kind`, whatever the order of its parameters, and refuses it not (`q=0`).
fn same(range: &str, kind: &str) -> bool {
    let parts = |text: &str| {
        let mut parts: Vec<String> = text.split(';').map(|part| part.trim().to_owned()).collect();
        parts.retain(|part| !part.starts_with("q=") || matches!(part.as_str(), "q=0" | "q=0.0"));
        parts.sort();
        parts
    };
    parts(range) == parts(kind)
}

fn document_of(value: &impl Serialize, kind: HeaderValue) -> Document {
    // Texts and numbers only: it can be written.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let digest = Sha256::digest(&body);
    let tag: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = HeaderValue::from_str(&format!("\"{tag}\""));
    Document {
        body: body.into(),
        tag: tag.unwrap_or(HeaderValue::from_static("\"\"")),
        kind,
    }
}

fn group() -> APIGroup {
    let version = |version: Version| GroupVersionForDiscovery {
        group_version: version.group_version().to_owned(),
        version: version.name().to_owned(),
    };
    let [preferred, _] = Version::ALL;
    APIGroup {
        name: GROUP.to_owned(),
        preferred_version: Some(version(preferred)),
        versions: Version::ALL.map(version).into(),
        ..APIGroup::default()
    }
}

fn resources(version: Version, catalogue: &[CatalogueEntry]) -> APIResourceList {
    let resource = |served: &CatalogueEntry| APIResource {
        name: format!("{}/{}", served.resource, served.metric),
        kind: "MetricValueList".to_owned(),
        namespaced: true,
        verbs: vec!["get".to_owned()],
        ..APIResource::default()
    };
    APIResourceList {
        group_version: version.group_version().to_owned(),
        resources: catalogue.iter().map(resource).collect(),
    }
}

/// As `ConvertGroupVersionIntoToDiscovery` of `apiserver/pkg/endpoints` makes it of a list whose resources have no parents.
fn aggregated(form: &str, catalogue: &[CatalogueEntry]) -> Value {
    let versions = Version::ALL.map(|version| {
        let mut parents: Vec<&str> = Vec::new();
        for served in catalogue {
            if !parents.contains(&served.resource) {
                parents.push(served.resource);
            }
        }
        let resource = |parent: &&str| {
            let metrics = catalogue.iter().filter(|served| served.resource == *parent);
            let subresources: Vec<Value> = metrics
                .map(|served| {
                    json!({
                        "subresource": served.metric,
                        "responseKind": {"group": GROUP, "version": version.name(), "kind": "MetricValueList"},
                        "verbs": ["get"],
                    })
                })
                .collect();
            json!({
                "resource": parent,
                "responseKind": {"group": "", "version": "", "kind": ""},
                "scope": "Namespaced",
                "singularResource": "",
                "verbs": [],
                "subresources": subresources,
            })
        };
        let resources: Vec<Value> = parents.iter().map(resource).collect();
        json!({"version": version.name(), "resources": resources, "freshness": "Current"})
    });
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{form}"),
        "metadata": {},
        "items": [{"metadata": {"name": GROUP, "creationTimestamp": null}, "versions": versions}],
    })
}

#[cfg(test)]
mod tests;

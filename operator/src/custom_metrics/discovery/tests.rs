use super::*;
use http_body_util::BodyExt as _;

const CATALOGUE: [CatalogueEntry; 3] = [
    CatalogueEntry {
        resource: "services",
        kind: "Service",
        api_version: "v1",
        metric: "a",
    },
    CatalogueEntry {
        resource: "services",
        kind: "Service",
        api_version: "v1",
        metric: "b",
    },
    CatalogueEntry {
        resource: "deployments.apps",
        kind: "Deployment",
        api_version: "apps/v1",
        metric: "a",
    },
];

async fn get(asked: Asked<'_>, headers: &[(&'static str, &str)]) -> (u16, HeaderMap, String) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().expect("a value"));
    }
    let answer = Documents::new(&CATALOGUE).answer(&asked, &map);
    let (head, body) = answer.expect("a document").into_parts();
    let body = body.collect().await.expect("whole").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    (head.status.as_u16(), head.headers, body)
}

async fn json_of(asked: Asked<'_>, headers: &[(&'static str, &str)]) -> Value {
    let (status, _, body) = get(asked, headers).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).expect("JSON")
}

/// Taken from what the API server sends.
const ACCEPTS: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

#[tokio::test]
async fn what_there_is_in_the_old_form() {
    let versions = json!([
        {"groupVersion": "custom.metrics.k8s.io/v1beta2", "version": "v1beta2"},
        {"groupVersion": "custom.metrics.k8s.io/v1beta1", "version": "v1beta1"},
    ]);
    let group = json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": "custom.metrics.k8s.io",
        "versions": versions, "preferredVersion": versions[0],
    });
    assert_eq!(json_of(Asked::Group, &[]).await, group);
    let groups = json_of(Asked::Groups, &[("accept", "application/json")]).await;
    assert_eq!(groups["kind"], "APIGroupList");
    assert_eq!(groups["groups"][0]["versions"], versions);
    for version in Version::ALL {
        let resource = |name: &str| {
            json!({"name": name, "singularName": "", "namespaced": true,
                "kind": "MetricValueList", "verbs": ["get"]})
        };
        assert_eq!(
            json_of(Asked::Resources(version), &[]).await,
            json!({
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": version.group_version(),
                "resources": [resource("services/a"), resource("services/b"), resource("deployments.apps/a")],
            })
        );
    }
}

#[tokio::test]
async fn what_there_is_in_one_document() {
    for (accepts, form) in [
        (ACCEPTS, "v2"),
        (ACCEPTS.split(',').nth(1).expect("two"), "v2beta1"),
        (
            "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io;q=0.9",
            "v2",
        ),
    ] {
        let (_, headers, body) = get(Asked::Groups, &[("accept", accepts)]).await;
        assert_eq!(
            headers["content-type"].to_str().expect("text"),
            format!("application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList")
        );
        let document: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(
            document["apiVersion"],
            format!("apidiscovery.k8s.io/{form}")
        );
        let group = &document["items"][0];
        assert_eq!(group["metadata"]["name"], "custom.metrics.k8s.io");
        let names: Vec<_> = group["versions"]
            .as_array()
            .expect("versions")
            .iter()
            .map(|v| &v["version"])
            .collect();
        // All versions that the Service serves: what is missing counts as having no resources.
        assert_eq!(names, ["v1beta2", "v1beta1"]);
        let resources = group["versions"][0]["resources"]
            .as_array()
            .expect("resources");
        assert_eq!(resources.len(), 2);
        assert_eq!(resources[0]["resource"], "services");
        assert_eq!(resources[0]["scope"], "Namespaced");
        let metrics = resources[0]["subresources"].as_array().expect("metrics");
        assert_eq!(metrics.len(), 2);
        assert_eq!(
            metrics[1],
            json!({"subresource": "b", "verbs": ["get"], "responseKind":
                {"group": "custom.metrics.k8s.io", "version": "v1beta2", "kind": "MetricValueList"}})
        );
    }
    for refuses in [
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;q=0",
        "*/*",
        "",
    ] {
        let document = json_of(Asked::Groups, &[("accept", refuses)]).await;
        assert_eq!(document["kind"], "APIGroupList", "{refuses}");
    }
}

#[tokio::test]
async fn unchanged_is_not_sent_again() {
    let accept = ("accept", ACCEPTS);
    let (_, first, _) = get(Asked::Groups, &[accept]).await;
    let tag = first["etag"].to_str().expect("text");
    for (tags, status) in [
        (tag.to_owned(), 304),
        (format!("\"x\", W/{tag}"), 304),
        ("\"1\"".to_owned(), 200),
    ] {
        let (answered, headers, body) =
            get(Asked::Groups, &[accept, ("if-none-match", &tags)]).await;
        assert_eq!(answered, status, "{tags}");
        assert_eq!(body.is_empty(), status == 304);
        assert_eq!(headers["etag"], tag);
    }
    // Another form has another tag: a cache between must not take one for the other.
    let (_, plain, _) = get(Asked::Groups, &[]).await;
    assert_ne!(plain["etag"], tag);
    assert_eq!(plain["vary"], "accept");
}

#[tokio::test]
async fn openapi_is_there_and_empty() {
    let two = json_of(Asked::OpenApi2, &[]).await;
    assert_eq!(two["swagger"], "2.0");
    assert_eq!(two["paths"], json!({}));
    assert_eq!(json_of(Asked::OpenApi3, &[]).await, json!({"paths": {}}));
}

use super::*;

fn at(uri: &str) -> Result<(String, String, String, String), (u16, String)> {
    let uri: Uri = uri.parse().expect("a URI");
    match read(&uri) {
        Ok(asked) => {
            let (version, object, metric) = asked.metric().expect("a metric");
            let of = format!("{} {}", version.name(), object.resource);
            let Described {
                namespace, name, ..
            } = object;
            Ok((of, namespace.into(), name.into(), metric.into()))
        }
        Err(denial) => Err((denial.status.as_u16(), denial.message)),
    }
}

const V2: &str = "/apis/custom.metrics.k8s.io/v1beta2";

#[test]
fn metrics_of_objects() {
    let metric = |of: &str| {
        let words = (of.to_owned(), "ns".to_owned(), "echo".to_owned());
        Ok((words.0, words.1, words.2, "m".to_owned()))
    };
    for (path, of) in [
        ("/v1beta2/namespaces/ns/services/echo/m", "v1beta2 services"),
        ("/v1beta1/namespaces/ns/services/echo/m", "v1beta1 services"),
        (
            "/v1beta2/namespaces/ns/services/echo/m/",
            "v1beta2 services",
        ),
        (
            "/v1beta2/namespaces/ns/services/%65cho/m",
            "v1beta2 services",
        ),
        (
            "/v1beta2/namespaces/ns/deployments.apps/echo/m",
            "v1beta2 deployments.apps",
        ),
        (
            "/v1beta2/namespaces/ns/services/echo/m?metricLabelSelector=",
            "v1beta2 services",
        ),
        (
            "/v1beta2/namespaces/ns/services/echo/m?timeout=3s&watch=false",
            "v1beta2 services",
        ),
    ] {
        let path = format!("/apis/custom.metrics.k8s.io{path}");
        assert_eq!(at(&path), metric(of), "{path}");
    }
}

/// The words are what `kubectl describe hpa` shows.
#[test]
fn what_is_not_served_says_what_is() {
    for (path, status, words) in [
        ("/namespaces/ns/pods/*/m", 404, "Kong counts by Service"),
        (
            "/namespaces/ns/pods/%2A/m?labelSelector=app%3Da",
            404,
            "Kong counts by Service",
        ),
        ("/namespaces/ns/metrics/m", 404, "no metrics of namespaces"),
        ("/nodes/n/m", 404, "no metrics of nodes"),
        ("/namespaces/ns/services/*/m", 400, "one object at a time"),
        ("/namespaces/ns/services/%2A/m", 400, "one object at a time"),
        (
            "/namespaces/ns/services/echo/m?metricLabelSelector=code%3D500%2Croute%3Da",
            400,
            "\"code=500,route=a\"",
        ),
        (
            "/namespaces/ns/services/echo/m?labelSelector=a+in+%28b%29",
            400,
            "\"a in (b)\"",
        ),
        (
            "/namespaces/ns/services/echo/m?watch=true",
            405,
            "cannot be watched",
        ),
        ("/namespaces/ns/services/echo", 404, "serves nothing"),
        ("/namespaces/ns/services/echo/m/more", 404, "serves nothing"),
        ("/namespaces/ns/services/a%2Fb/m", 404, "serves nothing"),
        ("/namespaces/ns/services//m", 404, "serves nothing"),
        ("/namespaces/ns/services/%ff/m", 404, "serves nothing"),
        ("/../../../livez", 404, "serves nothing"),
    ] {
        let denied = at(&format!("{V2}{path}")).expect_err(path);
        assert_eq!(denied.0, status, "{path}");
        assert!(denied.1.contains(words), "{path}: {}", denied.1);
    }
    for path in [
        "/",
        "/apis/",
        "//",
        "/apis/external.metrics.k8s.io/v1beta1",
        "/apis/custom.metrics.k8s.io/v1",
        "/metrics",
    ] {
        let uri: Uri = path.parse().expect("a URI");
        let found = read(&uri);
        assert_eq!(found.is_ok(), path == "/apis/", "{path}: {found:?}");
    }
    let long = format!("/{}", "a".repeat(10_000));
    assert!(at(&long).expect_err("nothing").1.len() < 500);
}

#[test]
fn discovery() {
    for (path, asked) in [
        ("/livez", Asked::Alive),
        ("/apis", Asked::Groups),
        ("/apis/custom.metrics.k8s.io", Asked::Group),
        (
            "/apis/custom.metrics.k8s.io/v1beta1",
            Asked::Resources(Version::V1Beta1),
        ),
        (V2, Asked::Resources(Version::V1Beta2)),
        ("/openapi/v2", Asked::OpenApi2),
        ("/openapi/v3", Asked::OpenApi3),
    ] {
        let uri: Uri = path.parse().expect("a URI");
        assert_eq!(read(&uri), Ok(asked.clone()), "{path}");
        assert!(asked.is_discovery());
    }
}

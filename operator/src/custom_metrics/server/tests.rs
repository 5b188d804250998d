use super::*;
use crate::custom_metrics::authentication::KnownProxy;
use crate::custom_metrics::signals::Measured;
use http_body_util::BodyExt as _;
use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use serde_json::{Value, json};
use tokio::sync::watch;

mod tls;

pub(super) const HPA: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/example/services/echo/m-ok-30";

/// Knows one Service, whatever is asked about it.
pub(super) struct Echo;

impl Signals for Echo {
    fn catalogue(&self) -> Vec<CatalogueEntry> {
        let service = |metric| CatalogueEntry {
            resource: "services",
            kind: "Service",
            api_version: "v1",
            metric,
        };
        vec![
            service("m-ok-30"),
            service("m-ok-20"),
            CatalogueEntry {
                resource: "deployments.apps",
                kind: "Deployment",
                api_version: "apps/v1",
                metric: "m-ok-30",
            },
        ]
    }

    fn value(&self, object: Described<'_>, metric: &str) -> Result<Measured, Denial> {
        if object.name != "echo" {
            return Err(Denial::unavailable("first values in 12 s"));
        }
        if (object.resource, metric) == ("services", "m-ok-20") {
            return Err(Denial::unavailable("too few requests"));
        }
        Ok(Measured {
            quantity: metric.trim_start_matches("m-ok-").to_owned(),
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            window: Duration::from_secs(30),
        })
    }
}

/// Vouches for `sa` and `hpa`; keeps silent about `hang`.
pub(super) struct Vouches;

impl Reviewer for Vouches {
    async fn review(&self, token: &str) -> Result<TokenReview, String> {
        let name = match token {
            "hang" => return std::future::pending().await,
            "sa" => "system:serviceaccount:default:someone",
            "hpa" => HPA,
            "slow" => "slow",
            _ => "",
        };
        let status = json!({"authenticated": !name.is_empty(), "user": {"username": name}});
        serde_json::from_value(json!({"spec": {}, "status": status})).map_err(|e| e.to_string())
    }
}

/// Allows what the HPA does; keeps silent about `slow`.
pub(super) struct Allows;

impl Decider for Allows {
    async fn decide(&self, review: SubjectAccessReview) -> Result<bool, String> {
        let user = review.spec.user.unwrap_or_default();
        if user == "slow" {
            return std::future::pending().await;
        }
        Ok(user == HPA)
    }
}

pub(super) type Api = Arc<MetricsApi<Echo, Vouches, Allows>>;

pub(super) fn api(known: KnownProxy) -> (Api, metrics::CustomMetrics) {
    let metrics = metrics::CustomMetrics::default();
    let authentication = Authentication::new(watch::channel(known).1, Vouches);
    let authorization = Authorization::new(Allows, metrics.access_reviews.clone());
    let api = MetricsApi::new(Echo, authentication, authorization, metrics.clone());
    (api, metrics)
}

async fn ask(request: http::request::Builder) -> (u16, Value, metrics::CustomMetrics) {
    let (api, metrics) = api(KnownProxy::None);
    let answer = api.answer(request.body(()).expect("a request")).await;
    assert!(!answer.headers().contains_key("retry-after"));
    assert_eq!(answer.headers()["content-type"], "application/json");
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    (
        status,
        serde_json::from_slice(&body).expect("JSON"),
        metrics,
    )
}

fn by(token: &str, method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_value() {
    let (status, list, metrics) = ask(by("hpa", "GET", METRIC)).await;
    assert_eq!(status, 200);
    assert_eq!(list["items"][0]["value"], "30");
    assert_eq!(list["items"][0]["describedObject"]["name"], "echo");
    let answered = Answered {
        metric: "m-ok-30",
        code: 200,
    };
    assert_eq!(metrics.requests.get_or_create(&answered).get(), 1);
    assert_eq!(metrics.access_reviews.get(), 1);
}

/// An HPA shows the message of a `Status` word for word.
#[tokio::test]
async fn what_is_refused_says_why() {
    let at = |path: &str| format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/example/{path}");
    for (request, status, reason, words) in [
        (
            by("hpa", "GET", &at("services/other/m-ok-30")),
            503,
            "ServiceUnavailable",
            "first values in 12 s",
        ),
        (
            by("hpa", "GET", &at("services/echo/m-404")),
            404,
            "NotFound",
            "no metric m-404 of services: it has m-ok-30, m-ok-20",
        ),
        (
            by(
                "hpa",
                "GET",
                &at("httproutes.gateway.networking.k8s.io/r/m-ok-30"),
            ),
            404,
            "NotFound",
            "of kind Service, Deployment",
        ),
        (
            by("hpa", "GET", &at("pods/%2A/m-ok-30")),
            404,
            "NotFound",
            "Kong counts by Service",
        ),
        (
            by(
                "hpa",
                "GET",
                &at("services/echo/m-ok-30?metricLabelSelector=a%3Db"),
            ),
            400,
            "BadRequest",
            "take no selector",
        ),
        (
            by("sa", "GET", METRIC),
            403,
            "Forbidden",
            "User \"system:serviceaccount:default:someone\" cannot get resource \"services/m-ok-30\"",
        ),
        (
            by("bad", "GET", METRIC),
            401,
            "Unauthorized",
            "the token is not valid here",
        ),
        (
            Request::get(METRIC),
            401,
            "Unauthorized",
            "ask through the API server",
        ),
        (
            by("hpa", "POST", METRIC),
            405,
            "MethodNotAllowed",
            "with GET, not POST",
        ),
        (
            by("hpa", "GET", "/metrics"),
            404,
            "NotFound",
            "metrics are at /apis/custom.metrics.k8s.io",
        ),
    ] {
        let (answered, body, _) = ask(request).await;
        assert_eq!(answered, status, "{body}");
        assert_eq!(
            (&body["kind"], &body["apiVersion"]),
            (&json!("Status"), &json!("v1"))
        );
        assert_eq!(body["status"], "Failure");
        assert_eq!(body["code"], status);
        assert_eq!(body["reason"], reason);
        let message = body["message"].as_str().expect("a message");
        assert!(message.contains(words), "{message}");
        assert_eq!(body["details"], Value::Null, "no seconds to retry after");
    }
}

/// KEDA's `metrics-api` takes one of these by its name.
#[tokio::test]
async fn all_values_of_an_object() {
    let (status, all, metrics) = ask(by("hpa", "GET", "/v1/services/example/echo")).await;
    let measured = json!({"timestamp": "1970-01-01T00:00:00Z", "windowSeconds": 30});
    assert_eq!(
        (status, all),
        (
            200,
            json!({
                "kind": "Service", "namespace": "example", "name": "echo", "m-ok-30": "30",
                "measured": {"m-ok-30": measured}, "unknown": {"m-ok-20": "too few requests"},
            })
        )
    );
    let answered = Answered {
        metric: "values",
        code: 200,
    };
    assert_eq!(metrics.requests.get_or_create(&answered).get(), 1);
    for (token, path, status, words) in [
        (
            "hpa",
            "/v1/services/example/other",
            503,
            "first values in 12 s",
        ),
        (
            "sa",
            "/v1/services/example/echo",
            403,
            "cannot get resource \"services/values\"",
        ),
        (
            "slow",
            "/v1/services/example/echo",
            503,
            "has not answered in time",
        ),
        ("bad", "/v1/services/example/echo", 401, "not valid"),
        (
            "hpa",
            "/v1/dataplanes/example/echo",
            404,
            "there are no values",
        ),
        ("hpa", "/v1/pods/example/echo", 404, "serves nothing"),
        ("hpa", "/v1/services/example", 404, "serves nothing"),
    ] {
        let (answered, body, _) = ask(by(token, "GET", path)).await;
        assert_eq!(answered, status, "{path}: {body}");
        let message = body["message"].as_str().expect("a message");
        assert!(message.contains(words), "{message}");
    }
}

/// Each of the HPA controller's five workers waits for its answer.
#[tokio::test(start_paused = true)]
async fn no_answer_takes_longer_than_a_second() {
    for token in ["hang", "slow"] {
        let begun = Instant::now();
        let (status, body, _) = ask(by(token, "GET", METRIC)).await;
        assert_eq!(status, 503, "{body}");
        let message = body["message"].as_str().expect("a message");
        assert!(message.contains("has not answered in time"), "{message}");
        assert!(begun.elapsed() <= Duration::from_secs(1));
    }
}

/// A cluster whose discovery is broken can delete no namespaces.
#[tokio::test(start_paused = true)]
async fn discovery_goes_on_when_nobody_can_be_asked() {
    let (status, body, _) = ask(by("hang", "GET", "/apis/custom.metrics.k8s.io/v1beta2")).await;
    assert_eq!((status, &body["kind"]), (200, &json!("APIResourceList")));
    let (status, ..) = ask(by("bad", "GET", "/apis/custom.metrics.k8s.io/v1beta2")).await;
    assert_eq!(status, 401);
}

/// A probe of the kubelet has nothing to show.
#[tokio::test]
async fn whether_it_lives_anybody_may_ask() {
    let (api, _) = api(KnownProxy::NotYet);
    let request = Request::get("/livez").body(()).expect("a request");
    assert_eq!(api.answer(request).await.status(), 200);
}

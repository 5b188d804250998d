//! The collection against stand-in sidecars.

use super::*;
use crate::metrics::{PushMetrics, SummaryMetrics};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use tagalong_index::{ObjectKind, Settings};
use tagalong_runtime::drain;
use tokio::net::TcpListener;

/// A sidecar whose Service has so many requests a second.
struct Sidecar {
    uid: &'static str,
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    unchanged: Arc<AtomicU64>,
}

async fn sidecar(uid: &'static str, says: &'static str, rate: u64) -> Sidecar {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, unchanged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (asks, unchanging) = (Arc::clone(&asked), Arc::clone(&unchanged));
    let begun = Instant::now();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (asks, unchanging) = (Arc::clone(&asks), Arc::clone(&unchanging));
            let answer = service_fn(move |request: Request<Incoming>| {
                let sequence = asks.fetch_add(1, Ordering::Relaxed) + 1;
                let since = u64::try_from(begun.elapsed().as_millis()).unwrap();
                let look = json!({"epoch": uid, "sequence": sequence, "age_ms": 0, "every_ms": 100,
                    "since_ms": since, "complete": true, "pod": {"requests": since * rate / 1000, "writing": 1000}});
                let mut response = Response::builder().header("x-tagalong-pod-uid", says);
                let body = if rate == 0 && request.headers().contains_key("if-none-match") {
                    unchanging.fetch_add(1, Ordering::Relaxed);
                    response = response
                        .status(StatusCode::NOT_MODIFIED)
                        .header("x-tagalong-look", look.to_string());
                    String::new()
                } else {
                    let count = since * rate / 1000;
                    response = response.header("etag", "\"1\"");
                    let services = json!({"shop/cart": {"arrivals": count, "count": count, "sum": count * 50}});
                    let services = if rate == 0 { json!({}) } else { services };
                    json!({"type": "SUMMARY", "look": look, "services": services}).to_string()
                };
                let response = response.body(Full::new(Bytes::from(body)));
                async move { Ok::<_, std::convert::Infallible>(response.unwrap()) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Sidecar {
        uid,
        address,
        asked,
        unchanged,
    }
}

fn object<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn world(sidecars: &[&Sidecar], latency: bool) -> World {
    let world = World::new(Settings::default(), PushMetrics::default());
    let mut objects: Vec<tagalong_index::Object> = vec![
        object::<tagalong_crds::Service>(json!({"metadata": {"namespace": "shop", "name": "cart", "annotations":
            {"konghq.com/plugins": "m-metrics-prometheus"}}, "spec": {"ports": [{"port": 80}]}})).into(),
        object::<tagalong_crds::Ingress>(json!({"metadata": {"namespace": "shop", "name": "cart"},
            "spec": {"defaultBackend": {"service": {"name": "cart", "port": {"number": 80}}}}})).into(),
        object::<tagalong_crds::DataPlaneMetricsExtension>(json!({"metadata": {"namespace": "shop", "name": "m", "generation": 1},
            "spec": {"serviceSelector": {"matchNames": [{"name": "cart"}]}, "config": {"latency": latency}}})).into(),
        object::<tagalong_crds::Deployment>(json!({"metadata": {"namespace": "shop", "name": "kong", "uid": "d",
            "labels": {"tagalong.dev/inject": "enabled"}, "annotations": {"tagalong.dev/metrics-extension": "m"}},
            "spec": {"selector": {"matchLabels": {"app": "kong"}}, "template": {}}})).into(),
    ];
    for sidecar in sidecars {
        let port = sidecar.address.port();
        let pod = object::<tagalong_crds::Pod>(
            json!({"metadata": {"namespace": "shop", "name": sidecar.uid, "uid": sidecar.uid,
                "labels": {"app": "kong"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "kong-1",
                "uid": "r", "controller": true}]},
            "spec": {"containers": [{"name": "tagalong", "ports": [{"name": "tagalong", "containerPort": port}]}]},
            "status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        objects.push(pod.into());
    }
    world.replace(&objects);
    world.note(|observed| {
        let service = observed
            .services
            .entry(Key::new("shop", "cart"))
            .or_default();
        service.plugins = Some("m-metrics-prometheus".to_owned());
        let plugin = observed
            .plugins
            .entry(Key::new("shop", "m-metrics-prometheus"));
        plugin
            .or_default()
            .config
            .insert("latency_metrics".to_owned(), true.into());
    });
    world
}

const FAST: WindowSettings = WindowSettings {
    window: Duration::from_secs(15),
    interval: Duration::from_millis(500),
    min_requests: 20,
    bases: 1000,
};

async fn collecting(world: World) -> (LoadCollector, drain::Trigger) {
    let (trigger, drain) = drain::channel();
    let summaries = LoadCollector::new(world, FAST, SummaryMetrics::default());
    tokio::spawn(summaries.clone().collect(Readiness::default(), drain));
    (summaries, trigger)
}

async fn eventually(summaries: &LoadCollector, signal: ServiceSignal) -> SignalValue {
    let cart = Key::new("shop", "cart");
    let mut last = None;
    for _ in 0..400 {
        match summaries.service(&cart, signal) {
            Ok(value) => return value,
            why => last = Some(why),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{last:?}");
}

#[tokio::test]
async fn all_pods_are_summed_each_asked_at_the_interval() {
    let (one, other) = (
        sidecar("one", "one", 200).await,
        sidecar("other", "other", 100).await,
    );
    let (summaries, _trigger) = collecting(world(&[&one, &other], true)).await;
    assert!(
        summaries
            .service(&Key::new("shop", "cart"), ServiceSignal::Requests)
            .is_err()
    );
    let value = eventually(&summaries, ServiceSignal::UpstreamRequests).await;
    assert_eq!(value.basis.reporting, 2);
    assert!((270.0..330.0).contains(&value.value), "{value:?}");
    let flight = eventually(&summaries, ServiceSignal::InFlight).await.value;
    assert!((13.5..16.5).contains(&flight), "{flight}");
    let own = summaries.dataplane(
        DEPLOYMENTS,
        &Key::new("shop", "kong"),
        PlaneSignal::Requests,
    );
    assert!((270.0..330.0).contains(&own.unwrap().value));
    assert!(
        summaries
            .dataplane(DATAPLANES, &Key::new("shop", "kong"), PlaneSignal::Requests)
            .is_err()
    );
    // Never more often than told, however long this machine took.
    assert!(
        one.asked.load(Ordering::Relaxed) as f64 <= summaries.0.now().as_secs_f64() / 0.5 + 2.0
    );
    let gone = summaries.service(&Key::new("shop", "other"), ServiceSignal::Requests);
    let Err(NoValue::Nothing(why)) = gone else {
        panic!("{gone:?}")
    };
    assert!(why.contains("explain service/shop/other"), "{why}");
}

#[tokio::test]
async fn an_idle_pod_says_so_in_a_few_bytes_and_is_none() {
    let idle = sidecar("idle", "idle", 0).await;
    let (summaries, _trigger) = collecting(world(&[&idle], true)).await;
    let value = eventually(&summaries, ServiceSignal::Requests).await;
    assert_eq!(value.value, 0.0);
    assert!(idle.unchanged.load(Ordering::Relaxed) > 10);
}

#[tokio::test]
async fn a_pod_that_is_another_counts_for_nothing() {
    let other = sidecar("one", "another", 500).await;
    let (summaries, _trigger) = collecting(world(&[&other], true)).await;
    let reason = Reason {
        reason: "other_pod",
    };
    let asked = summaries
        .0
        .metrics
        .collections
        .get_or_create(&reason)
        .clone();
    for _ in 0..200 {
        if asked.get() > 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(asked.get() > 3);
    let value = summaries.service(&Key::new("shop", "cart"), ServiceSignal::Requests);
    assert!(value.is_err(), "{value:?}");
}

#[tokio::test]
async fn without_latency_it_is_not_known_and_said_why() {
    let idle = sidecar("idle", "idle", 0).await;
    let (summaries, _trigger) = collecting(world(&[&idle], false)).await;
    let cart = Key::new("shop", "cart");
    for _ in 0..200 {
        if let Err(NoValue::NotNow(why)) = summaries.service(&cart, ServiceSignal::Requests)
            && why.contains("spec.config.latency")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", summaries.service(&cart, ServiceSignal::Requests));
}

#[test]
fn a_plugin_that_is_not_in_place_is_told_and_a_table_without_it_is_no_zero() {
    let world = World::new(Settings::default(), PushMetrics::default());
    world.with(|state| {
        let known = Known::of(&state.index, &state.observed, None);
        assert!(known.service(&Key::new("shop", "cart")).is_none());
        assert_eq!(state.index.count(ObjectKind::Service), 0);
    });
}

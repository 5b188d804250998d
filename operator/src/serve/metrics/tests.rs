use super::*;
use crate::collect::Aggregate;
use crate::collect::fetch::PodLimits;
use crate::world::World;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagalong_index::{Object, Settings};
use tagalong_runtime::drain;
use tagalong_runtime::serve::Server;

mod lying;
mod timeouts;

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

/// A sidecar that answers with `body`, names itself `uid`, and counts.
async fn sidecar(
    uid: &'static str,
    body: &'static str,
    drain: &drain::Drain,
) -> (SocketAddr, Arc<AtomicUsize>) {
    sidecar_at("127.0.0.1:0", uid, body, drain).await
}

async fn sidecar_at(
    address: &str,
    uid: &'static str,
    body: &'static str,
    drain: &drain::Drain,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let server = Server::bind(address.parse().expect("an address"))
        .await
        .expect("a port");
    let (address, asked) = (server.address(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let answer = move |request: Request<hyper::body::Incoming>| {
        assert_eq!(request.uri().to_string(), "/metrics?samples=enriched");
        assert_eq!(request.headers()[ACCEPT_ENCODING], "gzip");
        // What the scraper has left, less what merging takes.
        let left = timeout(request.headers()).expect("a timeout");
        assert!(left < Duration::from_secs(3), "{left:?}");
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut response = text(StatusCode::OK, body);
            response
                .headers_mut()
                .insert("x-tagalong-pod-uid", HeaderValue::from_static(uid));
            response
        }
    };
    tokio::spawn(server.serve(answer, drain.clone()));
    (address, asked)
}

fn pod(uid: &str, address: SocketAddr) -> Object {
    Object::Pod(parse(json!({
        "metadata": {"namespace": "default", "name": format!("pod-{uid}"), "uid": uid,
            "labels": {"gateway-operator.konghq.com/selector": "s"}},
        "spec": {"containers": [{"name": "tagalong", "ports": [{"name": "tagalong", "containerPort": address.port()}]}]},
        "status": {"phase": "Running", "podIP": address.ip().to_string()},
    })))
}

fn world(pods: Vec<Object>) -> World {
    let world = World::new(Settings::default(), crate::metrics::PushMetrics::default());
    world.replace(&objects(pods));
    world
}

fn objects(pods: Vec<Object>) -> Vec<Object> {
    let mut objects = vec![
        Object::DataPlane(parse(
            json!({"metadata": {"namespace": "default", "name": "kong"}, "status": {"selector": "s"}}),
        )),
        Object::ControlPlane(parse(
            json!({"metadata": {"namespace": "default", "name": "cp"},
            "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}}),
        )),
        Object::Extension(parse(
            json!({"metadata": {"namespace": "default", "name": "x"}}),
        )),
    ];
    objects.extend(pods);
    objects
}

async fn body(response: Response<MetricsBody>) -> String {
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn scraper(world: World, writes: Writes) -> Scrape {
    let metrics = Metrics::default();
    let collector = Collector::new(
        world,
        Aggregate::Enriched,
        PodLimits::default(),
        metrics.collect.clone(),
        None,
    );
    Scrape {
        metrics,
        collector: Some((collector, writes)),
    }
}

fn request() -> Request<()> {
    Request::get("/metrics")
        .header(TIMEOUT_HEADER, "3")
        .body(())
        .expect("a request")
}

#[tokio::test]
async fn one_dead_pod_costs_its_own_samples_only_and_scrapes_share_a_fan_out() {
    let (_trigger, drain) = drain::channel();
    let (good, asked) = sidecar("1", "# TYPE k counter\nk{service=\"a\"} 1\n", &drain).await;
    let (reused, _) = sidecar("someone-else", "k 9\n", &drain).await;
    let dead: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let hanging = hangs.local_addr().expect("an address");
    let world = world(vec![
        pod("1", good),
        pod("2", reused),
        pod("3", dead),
        pod("4", hanging),
    ]);
    let scrape = scraper(world, Writes::always());
    let (one, two) = tokio::join!(
        scrape.clone().answer(request()),
        scrape.clone().answer(request())
    );
    let (one, two) = (body(one).await, body(two).await);
    assert_eq!(one, two, "the same fan-out");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let line = format!(
        "k{{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"pod-1\",dataplane_url=\"http://{good}\",service=\"a\"}} 1\n"
    );
    assert!(one.contains(&line), "{one}");
    assert!(
        !one.contains(
            "k{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"pod-2\""
        ),
        "{one}"
    );
    for (pod, reason, up) in [
        ("1", "", 1),
        ("2", "other_pod", 0),
        ("3", "connection", 0),
        ("4", "timeout", 0),
    ] {
        let line = format!(
            "tagalong_collect_pod_up{{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"pod-{pod}\",reason=\"{reason}\"}} {up}\n"
        );
        assert!(one.contains(&line), "no {line} in {one}");
    }
    assert!(
        one.contains("tagalong_leader"),
        "its own metrics are there too: {one}"
    );
    let next = body(scrape.answer(request()).await).await;
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "the next scrape is no stale copy"
    );
    for reason in ["other_pod", "connection", "timeout"] {
        let line = format!("tagalong_collect_failures_total{{reason=\"{reason}\"}} 1\n");
        assert!(next.contains(&line), "no {line} in {next}");
    }
}

/// Kong's own collector keeps the last pod's series, and of types takes the last one's word.
#[tokio::test]
async fn each_pods_series_are_there_and_what_is_left_out_is_counted() {
    const ONE: &str = "# TYPE k counter\nk{service=\"a\"} 1\nk{service=\"a\"} 2\n\
        # TYPE h histogram\nh_bucket 1\n\
        k{dataplane_pod=\"liar\"} 1\nno sample\n\
        # TYPE odd counter\nodd 1\n";
    const OTHER: &str =
        "# TYPE k counter\nk{service=\"a\"} 3\n# TYPE odd gauge\nodd 1\nodd{l=\"2\"} 2\n";
    let (_trigger, drain) = drain::channel();
    let long = format!("{ONE}long{{l=\"{}\"}} 1\n", "l".repeat(70_000)).leak();
    let (one, _) = sidecar("1", long, &drain).await;
    let (other, _) = sidecar("2", OTHER, &drain).await;
    let world = world(vec![pod("1", one), pod("2", other)]);
    let scrape = scraper(world, Writes::always());
    let answer = body(scrape.clone().answer(request()).await).await;
    let samples: Vec<_> = answer
        .lines()
        .filter(|line| line.starts_with("k{") || line.starts_with("odd{"))
        .map(|line| line.replace("dataplane=\"kong\",dataplane_namespace=\"default\",", ""))
        .collect();
    assert_eq!(
        samples,
        [
            format!("k{{dataplane_pod=\"pod-1\",dataplane_url=\"http://{one}\",service=\"a\"}} 1"),
            format!(
                "k{{dataplane_pod=\"pod-2\",dataplane_url=\"http://{other}\",service=\"a\"}} 3"
            ),
            format!("odd{{dataplane_pod=\"pod-1\",dataplane_url=\"http://{one}\"}} 1"),
        ]
    );
    let answer = body(scrape.answer(request()).await).await;
    for (reason, lines) in [
        ("duplicates", 1),
        ("misplaced", 1),
        ("labelled", 1),
        ("unparsed", 1),
        ("over_long", 1),
        ("conflicting_samples", 2),
    ] {
        let line =
            format!("tagalong_collect_lines_left_out_total{{reason=\"{reason}\"}} {lines}\n");
        assert!(answer.contains(&line), "no {line} in {answer}");
    }
}

/// Kong's own collector keeps one series a pod, one family, and neither route nor workspace.
#[tokio::test]
async fn all_services_routes_and_families_of_a_pod_are_there() {
    const BODY: &str = "# TYPE kong_http_requests_total counter\n\
        kong_http_requests_total{service=\"a\",route=\"one\",workspace=\"default\"} 1\n\
        kong_http_requests_total{service=\"a\",route=\"two\",workspace=\"default\"} 2\n\
        kong_http_requests_total{service=\"b\",route=\"one\",workspace=\"default\"} 3\n\
        # TYPE kong_bandwidth_bytes counter\n\
        kong_bandwidth_bytes{service=\"b\",route=\"one\",workspace=\"default\"} 4\n";
    let (_trigger, drain) = drain::channel();
    let (address, _) = sidecar("1", BODY, &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    let answer = body(scrape.answer(request()).await).await;
    for line in BODY.lines() {
        let line = line.split_once('{').map_or_else(
            || line.to_owned(),
            |(name, labels)| format!("{name}{{dataplane=\"kong\",dataplane_namespace=\"default\",dataplane_pod=\"pod-1\",dataplane_url=\"http://{address}\",{labels}"),
        );
        assert!(
            answer.lines().any(|found| found == line),
            "no {line} in {answer}"
        );
    }
}

/// Kong's own collector goes on with a pod's last values for as long as it runs.
#[tokio::test]
async fn a_pod_that_is_gone_leaves_nothing() {
    let (_trigger, drain) = drain::channel();
    let (stays, _) = sidecar("1", "k 1\n", &drain).await;
    let (goes, _) = sidecar("2", "k 1\n", &drain).await;
    let (before, after) = (
        world(vec![pod("1", stays), pod("2", goes)]),
        vec![pod("1", stays)],
    );
    let scrape = scraper(before.clone(), Writes::always());
    let answer = body(scrape.clone().answer(request()).await).await;
    assert!(
        answer.contains("pod-1") && answer.contains("pod-2"),
        "{answer}"
    );
    let objects = objects(after);
    before.replace(&objects);
    let answer = body(scrape.answer(request()).await).await;
    assert!(
        answer.contains("pod-1") && !answer.contains("pod-2"),
        "{answer}"
    );
}

/// Else the operator would grow with each pod that ever failed.
#[tokio::test]
async fn how_a_pod_that_is_gone_fared_is_forgotten() {
    let (_trigger, drain) = drain::channel();
    let (other, _) = sidecar("2", "k 1\n", &drain).await;
    let world = world(vec![pod("1", other)]);
    let scrape = scraper(world.clone(), Writes::always());
    let remembered = || scrape.collector.as_ref().map(|(c, _)| c.remembered());
    body(scrape.clone().answer(request()).await).await;
    assert_eq!(remembered(), Some(1));
    world.replace(&objects(Vec::new()));
    body(scrape.clone().answer(request()).await).await;
    assert_eq!(remembered(), Some(0));
}

/// Kong's own collector knows IPv4 only.
#[tokio::test]
async fn pods_have_ipv6_addresses_too() {
    let (_trigger, drain) = drain::channel();
    let (address, _) = sidecar_at("[::1]:0", "1", "k 1\n", &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    let answer = body(scrape.answer(request()).await).await;
    let url = format!("dataplane_url=\"http://[::1]:{}\"}} 1\n", address.port());
    assert!(answer.contains(&url), "{answer}");
}

/// Formats share a fan-out, and each has its own form.
#[tokio::test]
async fn openmetrics_and_text_come_of_one_fan_out() {
    let (_trigger, drain) = drain::channel();
    let (address, asked) = sidecar("1", "# TYPE k_total counter\nk_total 1\n", &drain).await;
    let scrape = scraper(world(vec![pod("1", address)]), Writes::always());
    let mut open = request();
    let wanted = HeaderValue::from_static("application/openmetrics-text;version=1.0.0");
    open.headers_mut().insert(ACCEPT, wanted);
    let (text, open) = tokio::join!(scrape.clone().answer(request()), scrape.answer(open));
    assert_eq!(open.headers()[CONTENT_TYPE], OPEN);
    let (text, open) = (body(text).await, body(open).await);
    assert!(text.contains("# TYPE k_total counter\n"), "{text}");
    assert!(
        open.contains("# TYPE k counter\n") && open.ends_with("# EOF\n"),
        "{open}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_does_not_hold_the_lease_answers_for_itself_only() {
    let (_trigger, drain) = drain::channel();
    let (good, asked) = sidecar("1", "k 1\n", &drain).await;
    let store = crate::lease::LeaseSettings::new("nobody");
    let (_lease, writes) = crate::lease::Lease::new(Never, store);
    let answer = body(
        scraper(world(vec![pod("1", good)]), writes)
            .answer(request())
            .await,
    )
    .await;
    assert!(
        answer.contains("tagalong_leader") && !answer.contains("k{"),
        "{answer}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

struct Never;

impl crate::lease::Store for Never {
    async fn get(&self) -> Result<Option<k8s_openapi::api::coordination::v1::Lease>, String> {
        std::future::pending().await
    }

    async fn put(
        &self,
        _lease: k8s_openapi::api::coordination::v1::Lease,
    ) -> Result<k8s_openapi::api::coordination::v1::Lease, crate::lease::PutError> {
        std::future::pending().await
    }
}

/// What is said in more than one line counts, too.
#[tokio::test]
async fn choices_by_all_lines_and_their_qualities() {
    let scrape = scraper(world(Vec::new()), Writes::always());
    for (headers, gzip, open) in [
        (
            vec![(ACCEPT_ENCODING, "br"), (ACCEPT_ENCODING, "gzip")],
            true,
            false,
        ),
        (vec![(ACCEPT_ENCODING, "gzip; Q = 0")], false, false),
        (vec![(ACCEPT, "application/openmetrics-text")], false, true),
        (
            vec![(
                ACCEPT,
                "text/plain;q=0.9, application/openmetrics-text;q=0.1",
            )],
            false,
            false,
        ),
    ] {
        let mut request = request();
        for (name, value) in &headers {
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        let answer = scrape.clone().answer(request).await;
        let zipped = answer.headers().contains_key(CONTENT_ENCODING);
        assert_eq!(zipped, gzip, "{headers:?}");
        assert_eq!(answer.headers()[CONTENT_TYPE] == OPEN, open, "{headers:?}");
    }
}

#[tokio::test]
async fn only_reading_and_it_says_so() {
    let scrape = scraper(world(Vec::new()), Writes::always());
    let request = Request::post("/metrics").body(()).expect("a request");
    let answer = scrape.answer(request).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "GET, HEAD");
}

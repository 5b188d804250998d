use super::*;

const ALL: Flags = Flags {
    per_consumer: true,
    status_code_metrics: true,
    latency_metrics: true,
    bandwidth_metrics: true,
    upstream_health_metrics: false,
};

fn seen(service: &str) -> Observation<'_> {
    Observation {
        service,
        route: "r",
        consumer: "c",
        code: 200,
        from_service: true,
        ingress: 54,
        egress: 100,
        request: Duration::from_millis(40),
        kong: Duration::from_micros(900),
        upstream: Some(Duration::from_millis(36)),
    }
}

async fn lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
    let printed = metrics
        .print(&Node::new(2), &Server::default(), &Config::empty(), true)
        .await;
    let text = String::from_utf8(printed).unwrap();
    text.lines()
        .filter(|line| line.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_histogram_is_sparse_and_its_bounds_sort_by_size() {
    let metrics = Metrics::default();
    metrics.observe(ALL, &seen("s"));
    let bounds: Vec<String> = lines(&metrics, "kong_upstream_latency_ms_bucket")
        .await
        .iter()
        .map(|line| line.split("le=").nth(1).unwrap().to_owned())
        .collect();
    let expected = [
        50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000,
    ];
    let mut expected: Vec<String> = expected
        .iter()
        .map(|bound| format!("\"{bound}\"}} 1"))
        .collect();
    expected.push("\"+Inf\"} 1".to_owned());
    assert_eq!(bounds, expected);
    assert_eq!(
        lines(&metrics, "kong_upstream_latency_ms_sum").await,
        ["kong_upstream_latency_ms_sum{service=\"s\",route=\"r\",workspace=\"default\"} 36"]
    );
    assert!(lines(&metrics, "kong_kong_latency_ms_bucket").await[0].ends_with("le=\"1\"} 1"));
}

#[tokio::test]
async fn flags_decide_what_is_counted() {
    let metrics = Metrics::default();
    metrics.observe(
        Flags {
            latency_metrics: true,
            ..Flags::default()
        },
        &seen("s"),
    );
    assert!(lines(&metrics, "kong_http_requests_total").await.is_empty());
    assert!(lines(&metrics, "kong_bandwidth_bytes").await.is_empty());
    metrics.observe(
        Flags {
            per_consumer: false,
            ..ALL
        },
        &seen("s"),
    );
    assert_eq!(
        lines(&metrics, "kong_http_requests_total").await,
        [
            "kong_http_requests_total{service=\"s\",route=\"r\",code=\"200\",source=\"service\",\
          workspace=\"default\",consumer=\"\"} 1"
        ]
    );
    assert_eq!(lines(&metrics, "kong_bandwidth_bytes").await.len(), 2);
}

#[tokio::test]
async fn a_request_that_was_never_proxied_has_no_upstream_latency() {
    let metrics = Metrics::default();
    metrics.observe(
        ALL,
        &Observation {
            upstream: None,
            from_service: false,
            code: 503,
            ..seen("s")
        },
    );
    assert!(lines(&metrics, "kong_upstream_latency_ms").await.is_empty());
    assert!(
        lines(&metrics, "kong_http_requests_total").await[0]
            .contains("code=\"503\",source=\"kong\"")
    );
}

#[tokio::test]
async fn label_values_are_escaped_as_kong_escapes_them() {
    let metrics = Metrics::default();
    metrics.observe(
        ALL,
        &Observation {
            consumer: "a\\b\"c\nle=\"5",
            ..seen("s,le=\"1")
        },
    );
    let printed = metrics
        .print(&Node::new(1), &Server::default(), &Config::empty(), true)
        .await;
    let text = String::from_utf8(printed).unwrap();
    assert!(
        text.contains("consumer=\"a\\\\b\\\"c\nle=\\\"5\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("service=\"s,le=\\\"1\",route=\"r\",workspace=\"default\",le=\"60000\"} 1"),
        "{text}"
    );
}

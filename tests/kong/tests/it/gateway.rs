//! The gateway's behaviour where the captures' load does not reach: its APIs, its proxying, its failures and its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, its helpers too"
)]

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Client, Upstream, get, post, samples};
use tagalong_kong::{Gateway, Settings};

const LATENCY: &str =
    r#"[{"name":"prometheus","config":{"latency_metrics":true,"status_code_metrics":true}}]"#;

/// A configuration of one service `s` and one route `r` on `/r`, both as given, with the targets of its upstream.
fn config(service: &Value, route: &Value, targets: &[SocketAddr]) -> Value {
    let mut full_service = json!({ "name": "s", "host": "u", "retries": 5 });
    full_service
        .as_object_mut()
        .unwrap()
        .extend(service.as_object().unwrap().clone());
    let mut full_route = json!({ "name": "r", "paths": ["/r"] });
    full_route
        .as_object_mut()
        .unwrap()
        .extend(route.as_object().unwrap().clone());
    full_service["routes"] = json!([full_route]);
    let targets: Vec<Value> = targets
        .iter()
        .map(|target| json!({ "target": target.to_string() }))
        .collect();
    json!({
        "_format_version": "3.0",
        "services": [full_service],
        "upstreams": [{ "name": "u", "targets": targets }],
        "plugins": serde_json::from_str::<Value>(LATENCY).unwrap(),
    })
}

fn start(document: Value) -> Gateway {
    let gateway = Gateway::start(&Settings::default()).unwrap();
    gateway.load(document).unwrap();
    gateway
}

async fn metric(gateway: &Gateway, prefix: &str) -> Vec<(String, String)> {
    let text = String::from_utf8(gateway.metrics().await).unwrap();
    samples(&text)
        .into_iter()
        .filter(|(series, _)| series.starts_with(prefix))
        .collect()
}

/// Codes and sources that were counted, such as `502 kong`.
async fn counted(gateway: &Gateway) -> Vec<String> {
    let label = |series: &str, name: &str| {
        series
            .split(&format!("{name}=\""))
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let requests = metric(gateway, "kong_http_requests_total").await;
    requests
        .iter()
        .map(|(series, count)| {
            format!(
                "{} {} {count}",
                label(series, "code"),
                label(series, "source")
            )
        })
        .collect()
}

/// An address that nobody listens on, and that nobody takes while the socket lives.
fn dead() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn the_upstream_sees_what_kong_sends_and_the_client_what_kong_adds() {
    let upstream = Upstream::start().await;
    let gateway = start(config(&json!({}), &json!({}), &[upstream.address]));
    let request = "POST /r/s/201/0?a=b HTTP/1.1\r\nHost: shop.test:8000\r\nX-Own: 1\r\nConnection: x-own, keep-alive\r\n\
                   X-Forwarded-For: 10.0.0.9\r\nContent-Length: 4\r\n\r\nbody";
    let (status, head, echo) = Client::connect(gateway.proxy().unwrap())
        .await
        .ask(request)
        .await;
    let lower = echo.to_lowercase();
    assert_eq!(status, 201);
    assert!(echo.starts_with("POST /s/201/0?a=b HTTP/1.1\r\n"), "{echo}");
    assert!(echo.ends_with("\r\n\r\nbody"), "{echo}");
    for line in [
        format!("host: {}", upstream.address),
        "x-forwarded-for: 10.0.0.9, 127.0.0.1".to_owned(),
        "x-forwarded-proto: http".to_owned(),
        "x-forwarded-host: shop.test".to_owned(),
        format!("x-forwarded-port: {}", gateway.proxy().unwrap().port()),
        "x-forwarded-path: /r/s/201/0".to_owned(),
        "x-forwarded-prefix: /r".to_owned(),
        "x-real-ip: 127.0.0.1".to_owned(),
        "via: 1.1 kong/3.9.1".to_owned(),
    ] {
        assert!(
            lower.contains(&format!("\r\n{line}\r\n")),
            "{line} in {echo}"
        );
    }
    assert!(!lower.contains("x-own"), "{echo}");
    for line in [
        "X-Kong-Upstream-Latency: ",
        "X-Kong-Proxy-Latency: ",
        "Via: 1.1 kong/3.9.1",
        "X-Kong-Request-Id: ",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_eq!(counted(&gateway).await, ["201 service 1"]);
}

#[tokio::test]
async fn preserve_host_and_strip_path_as_gateway_api_routes_have_them() {
    let upstream = Upstream::start().await;
    let route = json!({ "paths": ["~/r$", "/r/"], "strip_path": false, "preserve_host": true });
    let gateway = start(config(&json!({}), &route, &[upstream.address]));
    let mut client = Client::connect(gateway.proxy().unwrap()).await;
    let (_, _, echo) = client.get("shop.test", "/r").await;
    assert!(
        echo.starts_with("GET /r HTTP/1.1\r\n")
            && echo.to_lowercase().contains("host: shop.test\r\n"),
        "{echo}"
    );
    assert_eq!(client.get("shop.test", "/rx").await.0, 404);
}

#[tokio::test]
async fn what_kong_answers_itself() {
    let gateway = start(config(&json!({}), &json!({}), &[]));
    let proxy = gateway.proxy().unwrap();
    let (status, head, body) = get(proxy, "/nowhere").await;
    assert_eq!(status, 404);
    let id = head
        .split("X-Kong-Request-Id: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(
        body,
        format!(
            "{{\n  \"message\":\"no Route matched with those values\",\n  \"request_id\":\"{id}\"\n}}"
        )
    );
    assert!(
        head.contains("Server: kong/3.9.1") && head.contains("X-Kong-Response-Latency: "),
        "{head}"
    );
    assert_eq!(
        counted(&gateway).await,
        [] as [&str; 0],
        "what no route took is not counted"
    );

    let (status, _, body) = get(proxy, "/r").await;
    assert_eq!(status, 503);
    assert!(
        body.contains("failure to get a peer from the ring-balancer"),
        "{body}"
    );
    assert_eq!(counted(&gateway).await, ["503 kong 1"]);
    assert!(
        metric(&gateway, "kong_upstream_latency_ms")
            .await
            .is_empty(),
        "it was never proxied"
    );

    let named = config(&json!({ "host": "name.invalid" }), &json!({}), &[]);
    gateway.load(named).unwrap();
    let (status, _, body) = get(proxy, "/r").await;
    assert_eq!(
        (status, body.contains("name resolution failed")),
        (503, true),
        "{body}"
    );

    gateway
        .load(config(&json!({}), &json!({ "protocols": ["https"] }), &[]))
        .unwrap();
    let (status, head, body) = get(proxy, "/r").await;
    assert_eq!(status, 426);
    assert!(
        head.contains("Upgrade: TLS/1.2, HTTP/1.1") && body.contains("Please use HTTPS protocol"),
        "{head}{body}"
    );
    let redirect = json!({ "protocols": ["https"], "https_redirect_status_code": 301 });
    gateway.load(config(&json!({}), &redirect, &[])).unwrap();
    let (status, head, _) = get(proxy, "/r?q").await;
    assert_eq!(
        (status, head.contains("Location: https://x/r?q\r\n")),
        (301, true),
        "{head}"
    );
    assert_eq!(gateway.unexpected(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_refused_try_goes_to_another_target_and_counts_as_kongs_time() {
    let (_held, dead) = dead();
    let upstream = Upstream::start().await;
    let gateway = start(config(&json!({}), &json!({}), &[dead, upstream.address]));
    let mut client = Client::connect(gateway.proxy().unwrap()).await;
    for _ in 0..6 {
        assert_eq!(client.get("x", "/r/s/200/0").await.0, 200);
        let posted = "POST /r/s/200/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n.";
        assert_eq!(
            client.ask(posted).await.0,
            200,
            "nothing was sent to the dead one, so a POST may be tried again"
        );
    }
    assert_eq!(counted(&gateway).await, ["200 service 12"]);

    gateway
        .load(config(&json!({}), &json!({}), &[dead]))
        .unwrap();
    let (status, head, body) = client.get("x", "/r/s/200/0").await;
    assert_eq!(
        (status, body.as_str().lines().next().unwrap()),
        (
            502,
            "An invalid response was received from the upstream server"
        )
    );
    assert!(head.contains("Content-Type: text/plain"), "{head}");
    let (status, _, body) = client
        .ask("GET /r/s/200/0 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        .await;
    assert_eq!((status, body.starts_with("{\n")), (502, true), "{body}");
    assert_eq!(counted(&gateway).await, ["200 service 12", "502 kong 2"]);
    let count = metric(&gateway, "kong_upstream_latency_ms_count").await;
    assert_eq!(count[0].1, "14", "failures after a try are observed too");
}

/// As the log serializer's capture has it: three tries of 150 ms give an upstream latency of one, and Kong's of two.
#[tokio::test]
async fn only_the_last_try_is_the_upstreams_latency() {
    let upstream = Upstream::start().await;
    let service = json!({ "retries": 2, "read_timeout": 150 });
    let gateway = start(config(&service, &json!({}), &[upstream.address]));
    let (status, _, body) = get(gateway.proxy().unwrap(), "/r/s/200/60000").await;
    assert_eq!(
        (status, body.contains("The upstream server is timing out")),
        (504, true),
        "{body}"
    );
    assert_eq!(counted(&gateway).await, ["504 kong 1"]);
    let sum = async |name: &str| metric(&gateway, name).await[0].1.parse::<u64>().unwrap();
    let (upstream, kong) = (
        sum("kong_upstream_latency_ms_sum").await,
        sum("kong_kong_latency_ms_sum").await,
    );
    let request = sum("kong_request_latency_ms_sum").await;
    assert!(
        upstream >= 150 && kong >= 300 && request >= 450,
        "{upstream} {kong} {request}"
    );
    assert!(
        kong > upstream && request >= kong + upstream,
        "{upstream} {kong} {request}"
    );
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // Answers with the first bytes before it has the last of the request.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"first") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly")
            .await
            .unwrap();
        while !seen.ends_with(b"last!") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"-late").await.unwrap();
    });
    let gateway = start(config(&json!({}), &json!({}), &[address]));
    let mut stream = tokio::net::TcpStream::connect(gateway.proxy().unwrap())
        .await
        .unwrap();
    stream
        .write_all(b"POST /r HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"early") {
        seen.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"last!").await.unwrap();
    while !seen.ends_with(b"-late") {
        seen.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn weights_share_out_the_requests() {
    let (heavy, light) = (Upstream::start().await, Upstream::start().await);
    let mut document = config(&json!({}), &json!({}), &[heavy.address, light.address]);
    document["upstreams"][0]["targets"][0]["weight"] = json!(75);
    document["upstreams"][0]["targets"][1]["weight"] = json!(25);
    let gateway = start(document);
    let mut client = Client::connect(gateway.proxy().unwrap()).await;
    for _ in 0..40 {
        assert_eq!(client.get("x", "/r/s/200/0").await.0, 200);
    }
    assert_eq!((heavy.served(), light.served()), (30, 10));
}

#[tokio::test]
async fn key_auth_names_the_consumer_or_refuses() {
    let upstream = Upstream::start().await;
    let mut document = config(&json!({}), &json!({}), &[upstream.address]);
    document["plugins"] = json!([
        { "name": "prometheus", "config": { "status_code_metrics": true, "per_consumer": true } },
        { "name": "key-auth", "service": "s" },
    ]);
    document["consumers"] = json!([{ "username": "ann", "keyauth_credentials": [{ "key": "k" }] }]);
    let gateway = start(document);
    let mut client = Client::connect(gateway.proxy().unwrap()).await;
    assert_eq!(
        client
            .ask("GET /r HTTP/1.1\r\nHost: x\r\nApikey: k\r\n\r\n")
            .await
            .0,
        200
    );
    assert_eq!(client.get("x", "/r?apikey=k").await.0, 200);
    let (status, head, body) = client.get("x", "/r").await;
    assert_eq!(
        (status, body.contains("No API key found in request")),
        (401, true)
    );
    assert!(head.contains("Www-Authenticate: Key"), "{head}");
    assert!(
        client
            .get("x", "/r?apikey=other")
            .await
            .2
            .contains("Unauthorized")
    );
    let requests = metric(&gateway, "kong_http_requests_total").await;
    let counts: Vec<_> = requests
        .iter()
        .map(|(series, count)| {
            (
                series.contains("consumer=\"ann\""),
                series.contains("code=\"401\""),
                count.as_str(),
            )
        })
        .collect();
    assert_eq!(counts, [(true, false, "2"), (false, true, "2")]);
}

#[tokio::test]
async fn the_admin_api_as_kong_ingress_controller_uses_it() {
    let gateway = Gateway::start(&Settings::default()).unwrap();
    let (admin, status_api) = (gateway.admin().unwrap(), gateway.status().unwrap());
    let json_of = async |address, path: &str| {
        let (status, head, body) = get(address, path).await;
        assert!(
            head.contains("Content-Type: application/json; charset=utf-8"),
            "{head}"
        );
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (code, root) = json_of(admin, "/").await;
    assert_eq!((code, &root["version"]), (200, &json!("3.9.1")));
    assert_eq!(root["configuration"]["database"], "off");
    assert_eq!(
        root["configuration"]["router_flavor"],
        "traditional_compatible"
    );
    let ports = json!([
        { "port": gateway.proxy().unwrap().port(), "ssl": false },
        { "port": gateway.proxy_tls().unwrap().port(), "ssl": true },
    ]);
    assert_eq!(root["configuration"]["proxy_listeners"], ports);

    for address in [admin, status_api] {
        let (code, status) = json_of(address, "/status").await;
        assert_eq!(
            (code, &status["configuration_hash"]),
            (200, &json!("0".repeat(32)))
        );
        assert!(
            status["server"]["total_requests"].is_u64() && status.get("database").is_none(),
            "{status}"
        );
    }
    let (code, ready) = json_of(status_api, "/status/ready").await;
    assert_eq!(
        (code, ready),
        (
            503,
            json!({ "message": "no configuration available (empty configuration present)" })
        )
    );

    let stub = r#"{"_format_version":"3.0","upstreams":[{"name":"kong"}]}"#;
    assert_eq!(
        post(admin, "/config?check_hash=1&flatten_errors=1", stub)
            .await
            .0,
        201
    );
    assert_eq!(
        json_of(status_api, "/status/ready").await,
        (200, json!({ "message": "ready" }))
    );
    assert_ne!(
        json_of(admin, "/status").await.1["configuration_hash"],
        json!("0".repeat(32))
    );

    let (code, schema) = json_of(admin, "/schemas/plugins/prometheus").await;
    let fields = schema["fields"].as_array().unwrap();
    let config = fields.iter().find_map(|field| field.get("config")).unwrap();
    assert_eq!((code, config["fields"].as_array().unwrap().len()), (200, 6));
    assert_eq!(json_of(admin, "/schemas/plugins/nope").await.0, 404);

    let valid = r#"{"name":"prometheus","config":{"latency_metrics":true}}"#;
    assert_eq!(post(admin, "/schemas/plugins/validate", valid).await.0, 200);
    let (code, _, body) = post(
        admin,
        "/schemas/plugins/validate",
        &valid.replace("true", "3"),
    )
    .await;
    assert_eq!(
        (
            code,
            body.contains("config.latency_metrics: expected a boolean")
        ),
        (400, true),
        "{body}"
    );

    // What the dump of a last state asks for is known to be absent; all else is a surprise.
    assert_eq!(
        json_of(admin, "/consumers/ann").await,
        (404, json!({ "message": "Not found" }))
    );
    assert_eq!(gateway.unexpected(), [] as [&str; 0]);
    assert_eq!(json_of(admin, "/tags").await.0, 404);
    let unknown = stub.replace("upstreams", "downstreams");
    assert_eq!(post(admin, "/config", &unknown).await.0, 400);
    let expected = json!([
        "unknown Admin API request: GET /tags",
        "unknown configuration key: downstreams"
    ]);
    assert_eq!(json!(gateway.unexpected()), expected);
    assert_eq!(
        json_of(status_api, "/tagalong/unexpected").await.1,
        expected
    );
    assert_eq!(
        json_of(status_api, "/tagalong/config").await.1,
        serde_json::from_str::<Value>(stub).unwrap()
    );
}

#[tokio::test]
async fn services_are_listed_in_pages_with_their_tags() {
    let gateway = Gateway::start(&Settings::default()).unwrap();
    let services: Vec<Value> = (0..5)
        .map(|number| json!({ "name": format!("s{number}"), "host": "h", "tags": [format!("k8s-name:{number}")] }))
        .collect();
    gateway
        .load(json!({ "_format_version": "3.0", "services": services }))
        .unwrap();
    let mut names = Vec::new();
    let mut path = "/services?size=2".to_owned();
    loop {
        let (_, _, body) = get(gateway.admin().unwrap(), &path).await;
        let page: Value = serde_json::from_str(&body).unwrap();
        for service in page["data"].as_array().unwrap() {
            names.push(format!(
                "{} {}",
                service["name"].as_str().unwrap(),
                service["tags"][0].as_str().unwrap()
            ));
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        assert!(page["offset"].is_string());
        next.clone_into(&mut path);
    }
    assert_eq!(
        names,
        [
            "s0 k8s-name:0",
            "s1 k8s-name:1",
            "s2 k8s-name:2",
            "s3 k8s-name:3",
            "s4 k8s-name:4"
        ]
    );
}

#[tokio::test]
async fn a_refused_configuration_leaves_the_old_one_in_use_and_counters_survive_a_new_one() {
    let upstream = Upstream::start().await;
    let document = config(&json!({}), &json!({}), &[upstream.address]);
    let gateway = start(document.clone());
    assert_eq!(get(gateway.proxy().unwrap(), "/r/s/200/0").await.0, 200);
    let mut bad = document.clone();
    bad["services"][0]["routes"][0]["paths"] = json!(["nope"]);
    let (code, _, body) = post(gateway.admin().unwrap(), "/config", &bad.to_string()).await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (code, &refusal["flattened_errors"][0]["entity_type"]),
        (400, &json!("route"))
    );
    assert_eq!(get(gateway.proxy().unwrap(), "/r/s/200/0").await.0, 200);
    let moved = json!({ "name": "elsewhere", "paths": ["/elsewhere"] });
    gateway
        .load(config(&json!({ "name": "t" }), &moved, &[upstream.address]))
        .unwrap();
    assert_eq!(get(gateway.proxy().unwrap(), "/r/s/200/0").await.0, 404);
    assert_eq!(
        counted(&gateway).await,
        ["200 service 2"],
        "of a service that is gone"
    );
}

#[tokio::test]
async fn faults_on_demand() {
    let gateway = Gateway::start(&Settings::default()).unwrap();
    let (admin, status_api) = (gateway.admin().unwrap(), gateway.status().unwrap());
    let stub = r#"{"_format_version":"3.0","upstreams":[{"name":"kong"}]}"#;
    for code in [400, 413, 429, 500] {
        let wish = format!(r#"{{"config":{code}}}"#);
        let put = format!(
            "PUT /tagalong/faults HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{wish}",
            wish.len()
        );
        assert_eq!(Client::connect(status_api).await.ask(&put).await.0, 200);
        let (status, head, body) = post(admin, "/config", stub).await;
        assert_eq!(status, code, "{body}");
        assert_eq!(head.contains("Retry-After"), code == 429);
        assert_eq!(body.contains("flattened_errors"), code == 400);
    }
    gateway.fail_config(None);
    assert_eq!(post(admin, "/config", stub).await.0, 201);

    gateway.drop_status(true);
    let mut client = Client::connect(admin).await;
    client.send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        client.answer().await.is_none(),
        "the connection is closed without an answer"
    );
    gateway.drop_status(false);
    assert_eq!(get(admin, "/status").await.0, 200);
}

#[tokio::test]
async fn a_graceful_end_drops_no_request() {
    let upstream = Upstream::start().await;
    let gateway = start(config(&json!({}), &json!({}), &[upstream.address]));
    let address = gateway.proxy().unwrap();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("x", "/r/s/200/0").await.0, 200);
    let mut slow = Client::connect(address).await;
    slow.send("GET /r/s/200/700 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    // In the kernel's queue, or read already: either way it was asked before the end.
    let mut fresh = Client::connect(address).await;
    fresh
        .send("GET /r/s/200/0 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;

    let quit = tokio::task::spawn_blocking(move || gateway.quit());
    assert_eq!(fresh.answer().await.unwrap().0, 200);
    let (status, head, _) = slow.answer().await.unwrap();
    assert_eq!(
        (status, head.contains("Connection: close")),
        (200, true),
        "{head}"
    );
    assert!(
        idle.answer().await.is_none(),
        "an idle connection is closed"
    );
    tokio::time::timeout(Duration::from_secs(30), quit)
        .await
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

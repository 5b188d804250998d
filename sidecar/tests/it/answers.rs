//! What a scraper gets from a sidecar beside a healthy Kong.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use std::io::Read as _;

use common::{NO_LABELS, Sidecar, labels_for, request, with};
use http::StatusCode;
use tagalong_kong::CaptureKong;

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .expect("a whole gzip stream");
    plain
}

async fn kong(capture: &str) -> CaptureKong {
    CaptureKong::builder()
        .capture(capture)
        .start()
        .await
        .expect("a Kong")
}

#[tokio::test]
async fn without_a_table_kongs_bytes_are_unchanged() {
    for capture in [
        "small",
        "edge-valid",
        "edge-broken-newline",
        "small-with-stream",
        "medium",
    ] {
        let kong = kong(capture).await;
        let sidecar = Sidecar::at(&kong, NO_LABELS);
        let reply = sidecar.get("/metrics").await;
        assert!(reply.complete);
        assert!(reply.parts().0 == kong.bytes(), "{capture}");
        assert_eq!(reply.headers["content-type"], "text/plain; charset=UTF-8");
        assert_eq!(reply.headers["x-tagalong-pod-uid"], "7d1b-uid");
    }
}

#[tokio::test]
async fn with_a_table_samples_are_enriched() {
    let kong = kong("small").await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    let text = sidecar.get("/metrics").await.text();
    let enriched = text.matches(",kubernetes_kind=\"service\",").count();
    let named = String::from_utf8_lossy(&kong.bytes())
        .matches("{service=\"")
        .count();
    assert!(enriched > 500 && enriched == named, "{enriched} of {named}");
    assert_eq!(
        common::value(&text, "samples_total{result=\"enriched\"}"),
        enriched as u64
    );
    assert_eq!(common::value(&text, "table_version"), 1);

    let only = sidecar.get("/metrics?samples=enriched").await.text();
    let samples = only.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples, enriched);
    assert!(!only.contains("tagalong_sidecar_"));
}

/// Which of the ambiguous names Kong has samples of is known to the sidecar alone: it says so to a scraper of the pod, and to
/// whoever collects all pods.
#[tokio::test]
async fn ambiguous_names_that_were_seen_are_told() {
    let kong = kong("small").await;
    let body = String::from_utf8_lossy(&kong.bytes()).into_owned();
    let name = body.split("{service=\"").nth(1).expect("a sample");
    let name = name.split('"').next().expect("a name");
    let samples = body.matches(&format!("{{service=\"{name}\"")).count();
    let labels = format!(
        r#"{{"type":"SNAPSHOT","version":1,"ambiguous":{{"services":["never.seen",{name:?}]}}}}"#
    );
    let sidecar = Sidecar::at(&kong, &labels);
    for path in ["/metrics", "/metrics?samples=enriched"] {
        let text = sidecar.get(path).await.text();
        let told = format!("ambiguous_samples{{name=\"{name}\"}}");
        assert_eq!(common::value(&text, &told), samples as u64, "{path}");
        assert!(!text.contains("never.seen"), "{text}");
        assert!(!text.contains("kubernetes_kind"), "{text}");
    }
    let counted = sidecar.metric("samples_total{result=\"ambiguous\"}").await;
    assert!(counted >= 2 * samples as u64, "{counted}");
}

#[tokio::test]
async fn gzip_is_the_same_body() {
    let kong = kong("small").await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    for path in ["/metrics", "/metrics?samples=enriched"] {
        let zipped = sidecar
            .ask(with(request("GET", path), "accept-encoding", "gzip;q=1.0"))
            .await;
        assert!(zipped.complete);
        assert_eq!(zipped.headers["content-encoding"], "gzip");
        assert_eq!(zipped.headers["vary"], "accept-encoding");
        let plain = sidecar.get(path).await;
        assert!(plain.headers.get("content-encoding").is_none());
        assert!(zipped.body.len() * 5 < plain.body.len());
        let (unzipped, plain) = (gunzip(&zipped.body), plain.text());
        // The sidecar's own counters move on; Kong's part is the same.
        let kongs = plain.find("# HELP tagalong_").unwrap_or(plain.len());
        assert!(unzipped[..kongs] == plain.as_bytes()[..kongs]);
    }
    let refused = with(request("GET", "/metrics"), "accept-encoding", "gzip;q=0");
    assert!(
        sidecar
            .ask(refused)
            .await
            .headers
            .get("content-encoding")
            .is_none()
    );
}

#[tokio::test]
async fn only_text_is_asked_of_kong() {
    let kong = kong("small").await;
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.3";
    let reply = sidecar
        .ask(with(request("GET", "/metrics"), "accept", accept))
        .await;
    assert!(reply.complete);
    let headers = kong.last_headers();
    assert_eq!(headers["accept"], "text/plain;version=0.0.4");
    assert_eq!(headers["accept-encoding"], "identity");
    assert_eq!(headers["host"], kong.addr().to_string());
}

#[tokio::test]
async fn a_https_kong_with_its_self_signed_certificate() {
    let kong = CaptureKong::builder().tls().start().await.expect("a Kong");
    assert!(kong.url().starts_with("https://127.0.0.1:"));
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    assert!(sidecar.get("/metrics").await.parts().0 == kong.bytes());
}

#[tokio::test]
async fn a_body_without_a_final_newline_is_completed_before_our_own() {
    let kong = CaptureKong::builder()
        .body("kong_up 1\nkong_x 2")
        .start()
        .await
        .expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let reply = sidecar.get("/metrics").await;
    assert_eq!(reply.parts().0, b"kong_up 1\nkong_x 2\n");
    kong.set_body("");
    let reply = sidecar.get("/metrics").await;
    assert_eq!(reply.parts().0, b"");
}

#[tokio::test]
async fn paths_and_methods() {
    let kong = kong("small").await;
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    for path in [
        "/metrics/",
        "/metrics?x=1",
        "/metrics/?name[]=a&samples=all",
        "/metrics?",
    ] {
        assert!(sidecar.get(path).await.parts().0 == kong.bytes(), "{path}");
    }
    assert_eq!(sidecar.get("/healthz").await.text(), "ok\n");

    let head = sidecar.ask(request("HEAD", "/metrics")).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-type"], "text/plain; charset=UTF-8");
    assert!(head.headers.get("content-length").is_none());

    for path in ["/", "/metricsx", "/metrics/x", "/status", "/healthzz"] {
        let reply = sidecar.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.body, br#"{"message":"Not found"}"#);
        assert_eq!(
            reply.headers["content-type"],
            "application/json; charset=utf-8"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let reply = sidecar.ask(request(method, "/metrics")).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.headers["allow"], "GET, HEAD");
        assert_eq!(reply.message(), "Method not allowed");
    }
    let reply = sidecar.get("/metrics?samples=some").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.message().contains("enriched"), "{}", reply.message());
}

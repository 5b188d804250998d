//! `GET /v1/summary`, as whoever scales by it asks.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use std::time::Duration;

use http::StatusCode;
use tagalong_kong::CaptureKong;
use tagalong_wire::{LOOK_HEADER, Look, Totals, read_summary};

use crate::common::{NO_LABELS, Reply, Sidecar, labels_for, request, value, with};

const SUMMARY: &str = "/v1/summary";

fn read(reply: &Reply) -> (Look, Vec<Totals>) {
    let mut services = Vec::new();
    let look = read_summary(reply.text().as_bytes(), |namespace, _, totals| {
        assert_eq!(namespace, "shop");
        services.push(totals.clone());
        Ok(true)
    });
    (look.expect("a summary"), services)
}

async fn small() -> CaptureKong {
    let kong = CaptureKong::builder().capture("small").start().await;
    kong.expect("a Kong")
}

async fn ask(sidecar: &Sidecar, max_age: &str) -> Reply {
    let asked = with(request("GET", SUMMARY), "cache-control", max_age);
    sidecar.ask(asked).await
}

/// As if a second had passed for every request that Kong has had.
fn doubled(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((sample, number)) if !line.starts_with('#') && sample.contains("latency_ms") => {
            format!(
                "{sample} {}\n",
                2 * number.parse::<u64>().expect("a number")
            )
        }
        _ => format!("{line}\n"),
    };
    text.lines()
        .map(line)
        .collect::<String>()
        .replace("subsystem=\"http\"} ", "subsystem=\"http\"} 1")
}

#[tokio::test]
async fn a_summary_of_what_a_real_kong_printed() {
    let kong = small().await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    let (look, services) = read(&sidecar.get(SUMMARY).await);
    assert_eq!((look.sequence, look.complete, kong.scrapes()), (1, true, 1));
    assert!(!services.is_empty() && services.iter().all(|totals| *totals == Totals::default()));

    let text = doubled(&kong.bytes());
    kong.set_body(text.clone());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Whoever scrapes, and however: it is a look.
    let scrape = with(
        request("GET", "/metrics?samples=enriched"),
        "accept-encoding",
        "gzip",
    );
    assert!(sidecar.ask(scrape).await.complete);
    let reply = sidecar.get(SUMMARY).await;
    let (look, services) = read(&reply);
    assert_eq!(
        (look.sequence, kong.scrapes()),
        (2, 2),
        "no scrape of its own"
    );
    let sum = |count: fn(&Totals) -> u64| services.iter().map(count).sum::<u64>();
    let printed = |family: &str| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(family) && !line.contains("service=\"\""));
        let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        numbers.sum::<u64>() / 2
    };
    for (told, family) in [
        (
            sum(|totals| totals.arrivals),
            "kong_request_latency_ms_count{",
        ),
        (
            sum(|totals| totals.request_sum),
            "kong_request_latency_ms_sum{",
        ),
        (
            sum(|totals| totals.count),
            "kong_upstream_latency_ms_count{",
        ),
        (sum(|totals| totals.sum), "kong_upstream_latency_ms_sum{"),
        (
            sum(|totals| totals.buckets[13]),
            "kong_upstream_latency_ms_count{",
        ),
    ] {
        assert!(
            told > 0 && told == printed(family),
            "{family} {told}, {}",
            printed(family)
        );
    }

    // Unchanged, but looked at again.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(sidecar.get("/metrics").await.complete);
    let tag = reply.headers["etag"].to_str().expect("text");
    let again = sidecar
        .ask(with(request("GET", SUMMARY), "if-none-match", tag))
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let renewed = Look::parse(again.headers[LOOK_HEADER].as_bytes()).expect("a look");
    assert_eq!((renewed.sequence, &renewed.epoch), (3, &look.epoch));
    assert!(
        renewed.age_ms < 1000 && renewed.since_ms > 2000,
        "{renewed:?}"
    );

    let own = sidecar.get("/metrics").await.text();
    assert_eq!(value(&own, "summaries_total{source=\"scrape\"}"), 1);
    assert_eq!(value(&own, "summaries_total{source=\"reuse\"}"), 2);
    assert!(value(&own, "summary_series") > 5);
}

#[tokio::test]
async fn nobody_pays_until_somebody_asks() {
    let kong = small().await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    for _ in 0..2 {
        let own = sidecar.get("/metrics").await.text();
        assert!(!own.contains("summar"), "nothing of what nobody uses");
    }
}

#[tokio::test]
async fn askers_share_a_look_and_are_told_its_age() {
    let kong = small().await;
    kong.behave(|behaviour| behaviour.first_byte_delay = Duration::from_millis(300));
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    let (one, two, three) = tokio::join!(
        ask(&sidecar, "max-age=0"),
        ask(&sidecar, "max-age=0"),
        ask(&sidecar, "max-age=0")
    );
    let sequences = [&one, &two, &three].map(|reply| read(reply).0.sequence);
    assert!(kong.scrapes() <= 2, "{}", kong.scrapes());
    assert!(
        sequences.iter().all(|at| (1..=2).contains(at)),
        "{sequences:?}"
    );
    // A scrape took 0.3 s, so the next one has to wait for half a minute.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (look, _) = read(&ask(&sidecar, "max-age=1").await);
    assert!(look.age_ms >= 1500 && look.every_ms >= 30_000, "{look:?}");
    assert!(kong.scrapes() <= 2);
}

#[tokio::test]
async fn what_was_found_is_said_while_kong_is_silent() {
    let kong = small().await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    let (first, _) = read(&sidecar.get(SUMMARY).await);
    for change in [
        (|b: &mut tagalong_kong::Behaviour| b.cut_after = Some(20_000)) as fn(&mut _),
        |b| b.error = true,
    ] {
        kong.behave(change);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let (look, _) = read(&ask(&sidecar, "max-age=0").await);
        assert_eq!(look.sequence, first.sequence);
        assert!(look.age_ms >= 1000, "{look:?}");
    }
}

#[tokio::test]
async fn without_a_look_there_is_no_summary() {
    let kong = CaptureKong::builder().body("up 1\n").start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let reply = sidecar.get(SUMMARY).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.message().contains("no numbers of Kong 3"));

    let kong = CaptureKong::builder().error().start().await;
    let kong = kong.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    assert_eq!(sidecar.get(SUMMARY).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        sidecar.ask(request("POST", SUMMARY)).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn without_a_table_nothing_is_known_of_those_who_are_not_named() {
    let kong = small().await;
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let (look, services) = read(&sidecar.get(SUMMARY).await);
    assert!(
        services.is_empty() && look.complete,
        "a table with nobody in it is one"
    );
}

#[tokio::test]
async fn a_look_goes_on_when_its_readers_have_left() {
    let kong = small().await;
    let sidecar = Sidecar::at(&kong, &labels_for(&kong.bytes()));
    assert!(sidecar.get(SUMMARY).await.complete);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let head = sidecar.ask(request("HEAD", "/metrics")).await;
    assert_eq!(head.status, StatusCode::OK);
    crate::common::until("the look lands", async || {
        read(&ask(&sidecar, "max-age=60").await).0.sequence == 2
    })
    .await;
    assert_eq!(kong.scrapes(), 2);
}

//! The judge: the captures' configuration and requests, sent to the stand-in, give the captures' exposition.
//!
//! Families, their order, HELP and TYPE, the label sets, every count of requests by code, every histogram's `_count` and
//! every byte of ingress are the same. Latencies are those of this run, so of a histogram's buckets the shape is judged:
//! sparse, cumulative, up to `+Inf`. Where nodes differ (node id, process id, heap, egress of another upstream), values and
//! those labels are left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, its helpers too"
)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::Value;
use support::{Client, Family, Upstream, families, samples};
use tagalong_kong::{Gateway, Settings, captures};

/// Longer than this no upstream waits, so that the whole load takes seconds; the smaller delays stay.
const LONGEST_DELAY: u64 = 3;

struct Run {
    captured: String,
    ours: String,
}

/// Sends the load of a capture from several connections at once.
async fn drive(configuration: &str, requests: &str, capture: &str) -> Run {
    let mut upstreams = [
        Upstream::start().await,
        Upstream::start().await,
        Upstream::start().await,
    ];
    // Targets sort by their addresses, so the ports must sort as the captures' do.
    upstreams.sort_by_key(|upstream| upstream.address.to_string());
    let mut text = String::from_utf8(captures::read(configuration).unwrap().to_vec()).unwrap();
    for (port, upstream) in (9001..).zip(&upstreams) {
        text = text.replace(&format!("127.0.0.1:{port}"), &upstream.address.to_string());
    }
    let gateway = Gateway::start(&Settings::default()).unwrap();
    let pushed = support::post(gateway.admin().unwrap(), "/config?check_hash=1", &text).await;
    assert_eq!(pushed.0, 201, "{}", pushed.2);

    let requests = captures::read(requests).unwrap();
    let requests: Arc<Vec<Value>> = Arc::new(
        requests
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (requests, next, address) = (requests.clone(), next.clone(), gateway.proxy().unwrap());
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            while let Some(request) = requests.get(next.fetch_add(1, SeqCst)) {
                send(&mut client, request).await;
            }
        });
    }
    clients.join_all().await;
    assert_eq!(
        upstreams.iter().map(Upstream::served).sum::<usize>(),
        requests.len()
    );
    assert_eq!(gateway.unexpected(), [] as [&str; 0]);

    let (status, _, mut ours) = support::get(gateway.status().unwrap(), "/metrics").await;
    assert_eq!(status, 200);
    for (port, upstream) in (9001..).zip(&upstreams) {
        ours = ours.replace(&upstream.address.to_string(), &format!("127.0.0.1:{port}"));
    }
    let captured = String::from_utf8(captures::text(capture).unwrap().to_vec()).unwrap();
    Run { captured, ours }
}

async fn send(client: &mut Client, request: &Value) {
    let (host, path) = (
        request["host"].as_str().unwrap(),
        request["path"].as_str().unwrap(),
    );
    let (prefix, delay) = path.rsplit_once('/').unwrap();
    assert_eq!(request["upstream_delay_ms"].to_string(), delay);
    let delay = delay.parse::<u64>().unwrap().min(LONGEST_DELAY);
    // As long as the original, so that the ingress is.
    let width = path.len() - prefix.len() - 1;
    let key = request["apikey"]
        .as_str()
        .map(|key| format!("apikey: {key}\r\n"))
        .unwrap_or_default();
    let head = format!("GET {prefix}/{delay:0width$} HTTP/1.1\r\nHost: {host}\r\n{key}\r\n");
    let (status, answer, _) = client.ask(&head).await;
    assert_eq!(
        Value::from(status),
        request["upstream_status"],
        "{head}{answer}"
    );
}

impl Run {
    fn families_are_the_same(&self) {
        let comments = |text: &str| {
            families(text)
                .into_iter()
                .map(|(name, family)| (name, family.comments))
                .collect::<Vec<_>>()
        };
        assert_eq!(comments(&self.ours), comments(&self.captured));
    }

    /// Every series, in order: node id and process ids apart, and but for the buckets.
    fn series_are_the_same_in_the_same_order(&self) {
        let series = |text: &str| -> Vec<String> {
            samples_in_order(text)
                .into_iter()
                .map(|(series, _)| anonymous(&series))
                .collect()
        };
        same(&series(&self.ours), &series(&self.captured));
    }

    /// Whatever is a count of what was sent.
    fn counts_are_the_same(&self) {
        let counts = |text: &str| -> BTreeMap<String, String> {
            let counted = |series: &String| {
                series.starts_with("kong_http_requests_total")
                    || series.contains("_count{")
                    || series.contains("direction=\"ingress\"")
                    || series.starts_with("kong_upstream_target_health")
            };
            samples(text)
                .into_iter()
                .filter(|(series, _)| counted(series))
                .collect()
        };
        same(
            &counts(&self.ours).into_iter().collect::<Vec<_>>(),
            &counts(&self.captured).into_iter().collect::<Vec<_>>(),
        );
    }

    /// In both: no bucket below the smallest observation, each at least as full as the one before, and `+Inf` = `_count`.
    fn histograms_have_kongs_shape(&self) {
        let bounds = |text: &str| -> BTreeMap<String, BTreeSet<String>> {
            let mut bounds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (name, family) in families(text) {
                for (labels, buckets) in histograms(&name, &family) {
                    let mut before = 0;
                    for (bound, count) in &buckets {
                        assert!(*count >= before.max(1), "{labels} le={bound}");
                        before = *count;
                    }
                    let (last, count) = buckets.last().unwrap();
                    assert_eq!(last, "+Inf", "{labels}");
                    let counted = format!("{name}_count{labels}");
                    let counted = family
                        .samples
                        .iter()
                        .find(|(series, _)| *series == counted)
                        .unwrap();
                    assert_eq!(counted.1, count.to_string(), "{counted:?}");
                    bounds
                        .entry(name.clone())
                        .or_default()
                        .extend(buckets.into_iter().map(|(bound, _)| bound));
                }
            }
            bounds
        };
        let (ours, captured) = (bounds(&self.ours), bounds(&self.captured));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            captured.keys().collect::<Vec<_>>()
        );
        assert!(!ours.is_empty());
        for (name, captured) in &captured {
            let strays: Vec<_> = ours[name].difference(captured).collect();
            // A request that took under a millisecond may fill a bucket that the slower capture did not.
            let lowest = |bound: &&&String| bound.parse::<f64>().is_ok_and(|bound| bound > 25.0);
            assert!(
                !strays.iter().any(|bound| lowest(&bound)),
                "{name}: {strays:?}"
            );
        }
    }
}

/// Label set (without `le`) and buckets in the order in which they stand.
fn histograms(name: &str, family: &Family) -> Vec<(String, Vec<(String, u64)>)> {
    let mut histograms: Vec<(String, Vec<(String, u64)>)> = Vec::new();
    for (series, value) in &family.samples {
        let Some(labels) = series.strip_prefix(&format!("{name}_bucket")) else {
            continue;
        };
        let (labels, bound) = labels.rsplit_once(",le=\"").unwrap();
        let (labels, bound) = (
            format!("{labels}}}"),
            bound.trim_end_matches("\"}").to_owned(),
        );
        if histograms.last().is_none_or(|(last, _)| *last != labels) {
            assert!(
                histograms.iter().all(|(seen, _)| *seen != labels),
                "{labels} comes twice"
            );
            histograms.push((labels, Vec::new()));
        }
        histograms
            .last_mut()
            .unwrap()
            .1
            .push((bound, value.parse().unwrap()));
    }
    histograms
}

fn samples_in_order(text: &str) -> Vec<(String, String)> {
    let bucket = |series: &str| series.contains("_bucket{");
    families(text)
        .into_iter()
        .flat_map(|(_, family)| family.samples)
        .filter(|(series, _)| !bucket(series))
        .collect()
}

/// Without what differs from node to node.
fn anonymous(series: &str) -> String {
    let mut series = series.to_owned();
    for label in ["node_id", "pid"] {
        let Some(start) = series.find(&format!("{label}=\"")) else {
            continue;
        };
        let value = start + label.len() + 2;
        let end = value + series[value..].find('"').unwrap();
        series.replace_range(value..end, "…");
    }
    series
}

fn same<T: PartialEq + std::fmt::Debug>(ours: &[T], captured: &[T]) {
    for (index, (ours, captured)) in ours.iter().zip(captured).enumerate() {
        assert_eq!(ours, captured, "at {index}");
    }
    assert_eq!(ours.len(), captured.len());
    assert!(!ours.is_empty());
}

impl Run {
    fn judge(&self) {
        self.families_are_the_same();
        self.series_are_the_same_in_the_same_order();
        self.counts_are_the_same();
        self.histograms_have_kongs_shape();
    }
}

#[tokio::test]
async fn small_with_one_global_plugin() {
    drive("small.kong.json", "small.requests.jsonl", "small")
        .await
        .judge();
}

#[tokio::test]
async fn small_with_a_latency_plugin_for_each_service() {
    drive(
        "small-latency-only.kong.json",
        "small.requests.jsonl",
        "small-latency-only",
    )
    .await
    .judge();
}

#[tokio::test]
async fn medium_with_consumers() {
    drive("medium.kong.json", "medium.requests.jsonl", "medium")
        .await
        .judge();
}

/// What a Kong shows that has not seen a request, with and without the plugin.
#[tokio::test]
async fn cold() {
    let gateway = Gateway::start(&Settings::default()).unwrap();
    let text = async || String::from_utf8(gateway.metrics().await).unwrap();
    let captured = |name| String::from_utf8(captures::text(name).unwrap().to_vec()).unwrap();
    let run = Run {
        ours: text().await,
        captured: captured("small-plugin-not-enabled"),
    };
    run.families_are_the_same();
    run.series_are_the_same_in_the_same_order();

    let configuration = captures::read("small.kong.json").unwrap();
    gateway
        .load(serde_json::from_slice(&configuration).unwrap())
        .unwrap();
    let run = Run {
        ours: text().await,
        captured: captured("small-cold-start"),
    };
    run.families_are_the_same();
    run.series_are_the_same_in_the_same_order();
}

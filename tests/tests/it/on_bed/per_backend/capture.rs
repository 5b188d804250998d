//! Requests that a real Kong may have had, from what it printed of each address.

use std::collections::BTreeMap;

use super::OURS;
use super::kong::samples;
use super::oracle::Request;

/// The function's own lines of a capture.
pub(super) fn lines(name: &str) -> BTreeMap<String, f64> {
    let path = format!(
        "{}/../tests/data/per-backend/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("a capture");
    let own = |line: &&str| OURS.iter().any(|name| line.starts_with(name));
    let own: Vec<_> = text.lines().filter(own).collect();
    samples(&own.join("\n"))
}

fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let (_, rest) = labels
        .split_once(&format!("{name}=\""))
        .expect("the label is there");
    rest.split_once('"').expect("it ends").0
}

fn whole(value: f64) -> u64 {
    value.to_string().parse().expect("a whole number")
}

/// As many requests in each bucket as Kong counted there, with waits that add up to its sum, and its status codes.
pub(super) fn requests(lines: &BTreeMap<String, f64>) -> Vec<Request> {
    let mut all = Vec::new();
    for (series, count) in lines {
        let Some(labels) = series.strip_prefix("kong_upstream_latency_ms_target_count{") else {
            continue;
        };
        let labels = labels.trim_end_matches('}');
        let of = |name: &str, more: &str| {
            let value = lines.get(&format!("{name}{{{labels}{more}}}"));
            value.copied().map(whole)
        };
        let mut codes: Vec<u16> = Vec::new();
        for code in 100..600 {
            let n = of(
                "kong_http_requests_with_target_total",
                &format!(",code=\"{code}\""),
            );
            codes.extend((0..n.unwrap_or_default()).map(|_| code));
        }
        let count = whole(*count);
        assert_eq!(codes.len() as u64, count, "{series}");
        let mut left = of("kong_upstream_latency_ms_target_sum", "").expect("a sum");
        let mut waits = Vec::new();
        let (mut below, mut least) = (0, 0);
        for bound in [
            25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000,
        ] {
            let bucket = of(
                "kong_upstream_latency_ms_target_bucket",
                &format!(",le=\"{bound}\""),
            );
            let until = bucket.unwrap_or(below);
            waits.extend((0..until - below).map(|_| (least, bound)));
            (below, least) = (until, bound + 1);
        }
        assert_eq!(below, count, "{series}: none took more than a minute");
        left -= waits.iter().map(|(least, _)| least).sum::<u64>();
        for (wait, most) in &mut waits {
            let more = left.min(*most - *wait);
            *wait += more;
            left -= more;
        }
        assert_eq!(left, 0, "{series}: the sum fits the buckets");
        let (ip, port) = label(labels, "address").rsplit_once(':').expect("a port");
        all.extend(
            waits
                .into_iter()
                .zip(codes)
                .map(|((ms, _), status)| Request {
                    service: label(labels, "service").to_owned(),
                    route: label(labels, "route").to_owned(),
                    ip: ip.to_owned(),
                    port: port.parse().expect("a port"),
                    ms,
                    status,
                }),
        );
    }
    all
}

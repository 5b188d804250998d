//! What pods with many Services say, as large as the limits that scrapers have.

use std::fmt::Write as _;
use std::time::Duration;

/// The finite bounds of Kong's `kong_upstream_latency_ms`.
pub const BOUNDS: [u32; 13] = [
    25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000,
];

/// How many Services a pod of the city has.
pub const SERVICES: usize = 140;

/// The mean latency of Service `number`, ms: none is another's.
pub fn mean(number: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let number = number as f64;
    30.25 + number
}

/// Requests a second that Service `number` gets of each pod; every seventh gets none.
pub fn per_second(number: usize) -> u64 {
    if number.is_multiple_of(7) { 0 } else { 20 }
}

/// What a pod of the city says so long after its start: of each Service's requests one in ten failed.
pub fn text(since: Duration) -> String {
    let mut out = String::from(
        "# HELP kong_http_requests_total Requests\n# TYPE kong_http_requests_total counter\n",
    );
    let count = |number| {
        let tens = u128::from(per_second(number)) * since.as_millis() / 10_000;
        16 + u64::try_from(tens).unwrap_or_default() * 10
    };
    for number in 0..SERVICES {
        let (labels, count) = (labels(number), count(number));
        let failed = (count - 16) / 10;
        let _ = writeln!(
            out,
            "kong_http_requests_total{{{labels},code=\"200\"}} {}\n\
             kong_http_requests_total{{{labels},code=\"503\"}} {failed}",
            count - failed
        );
    }
    out.push_str(
        "# HELP kong_upstream_latency_ms Latency\n# TYPE kong_upstream_latency_ms histogram\n",
    );
    // As Kong writes them: all buckets, then all counts, then all sums.
    for number in 0..SERVICES {
        let (labels, count) = (labels(number), count(number));
        for bound in BOUNDS {
            let within = if f64::from(bound) < mean(number) {
                0
            } else {
                count
            };
            let _ = writeln!(
                out,
                "kong_upstream_latency_ms_bucket{{{labels},le=\"{bound}\"}} {within}"
            );
        }
        let _ = writeln!(
            out,
            "kong_upstream_latency_ms_bucket{{{labels},le=\"+Inf\"}} {count}"
        );
    }
    for number in 0..SERVICES {
        let _ = writeln!(
            out,
            "kong_upstream_latency_ms_count{{{}}} {}",
            labels(number),
            count(number)
        );
    }
    for number in 0..SERVICES {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let sum = count(number) as f64 * mean(number);
        let _ = writeln!(
            out,
            "kong_upstream_latency_ms_sum{{{}}} {sum}",
            labels(number)
        );
    }
    out
}

fn labels(number: usize) -> String {
    format!(
        "namespace=\"shop\",service=\"echo-{number}\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
         kubernetes_name=\"echo-{number}\",kubernetes_namespace=\"shop\",kong_service=\"shop.echo-{number}.80\",\
         route=\"shop.echo-{number}.a.0\",workspace=\"default\""
    )
}

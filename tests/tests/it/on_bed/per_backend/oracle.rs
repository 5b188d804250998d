//! What ought to be on the page: reckoned from the requests that were sent, and from nothing else.

use std::collections::BTreeMap;

/// Kong's bounds in milliseconds (`kong/plugins/prometheus/exporter.lua`).
const BOUNDS: [u64; 13] = [
    25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000,
];

/// A request as Kong's log phase would see it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) service: String,
    pub(super) route: String,
    pub(super) ip: String,
    pub(super) port: u16,
    pub(super) ms: u64,
    pub(super) status: u16,
}

impl Request {
    /// What the stand-in is asked.
    pub(super) fn target(&self) -> String {
        format!(
            "/request?service={}&route={}&ip={}&port={}&ms={}&status={}",
            encoded(&self.service),
            encoded(&self.route),
            encoded(&self.ip),
            self.port,
            self.ms,
            self.status
        )
    }

    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The lines of these requests, each under the address that `address` gives it. A line whose value is 0 may be on the
/// page or not, so it is not here.
pub(super) fn lines(
    requests: &[Request],
    address: impl Fn(&Request) -> String,
) -> BTreeMap<String, f64> {
    let mut lines = BTreeMap::new();
    let mut add = |line: String, value: u64| *lines.entry(line).or_insert(0.0) += value as f64;
    for request in requests {
        let labels = format!(
            "service=\"{}\",route=\"{}\",address=\"{}\"",
            quoted(&request.service),
            quoted(&request.route),
            quoted(&address(request))
        );
        let histogram = "kong_upstream_latency_ms_target";
        for bound in BOUNDS.iter().filter(|bound| request.ms <= **bound) {
            add(format!("{histogram}_bucket{{{labels},le=\"{bound}\"}}"), 1);
        }
        add(format!("{histogram}_bucket{{{labels},le=\"+Inf\"}}"), 1);
        add(format!("{histogram}_count{{{labels}}}"), 1);
        add(format!("{histogram}_sum{{{labels}}}"), request.ms);
        let status = request.status;
        let counter = "kong_http_requests_with_target_total";
        add(format!("{counter}{{{labels},code=\"{status}\"}}"), 1);
    }
    lines.retain(|_, value| *value != 0.0);
    lines
}

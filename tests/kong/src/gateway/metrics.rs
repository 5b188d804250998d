//! Kong's counters and histograms, and how `/metrics` prints them.

mod family;
mod node;
mod print;
mod store;
mod targets;

use std::time::Duration;

use parking_lot::Mutex;

use super::config::Config;
pub(crate) use node::{Node, Server, dictionaries};
use store::Store;

/// What the metrics know of one finished request.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    pub(crate) service: &'a str,
    pub(crate) route: &'a str,
    /// Empty for nobody.
    pub(crate) consumer: &'a str,
    pub(crate) code: u16,
    /// Whether the upstream answered, or Kong itself did.
    pub(crate) from_service: bool,
    /// Request and response, heads included, in bytes.
    pub(crate) ingress: u64,
    pub(crate) egress: u64,
    /// From the first byte of the request to the last of the response.
    pub(crate) request: Duration,
    /// Until the last try began; all of it, where there was none.
    pub(crate) kong: Duration,
    /// From the last try's beginning to its response headers, or failure.
    pub(crate) upstream: Option<Duration>,
}

/// `config` of the `prometheus` plugin instance that a request meets.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "Kong's own switches")]
pub(crate) struct Flags {
    pub(crate) per_consumer: bool,
    pub(crate) status_code_metrics: bool,
    pub(crate) latency_metrics: bool,
    pub(crate) bandwidth_metrics: bool,
    pub(crate) upstream_health_metrics: bool,
}

/// The counters of one Kong. A new configuration leaves them as they are.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    /// Kong ≤ 3.9: each logged request overwrites it with its own plugin instance's flag.
    upstream_health: bool,
}

impl Metrics {
    /// Counts one request.
    pub(crate) fn observe(&self, flags: Flags, seen: &Observation<'_>) {
        let mut state = self.state.lock();
        state.upstream_health = flags.upstream_health_metrics;
        let store = &mut state.store;
        let Observation { service, route, .. } = *seen;
        let consumer = if flags.per_consumer {
            seen.consumer
        } else {
            ""
        };
        let pair = [("service", service), ("route", route)];
        let workspace = ("workspace", "default");
        if flags.status_code_metrics {
            let code = seen.code.to_string();
            let source = if seen.from_service { "service" } else { "kong" };
            let labels = [
                pair[0],
                pair[1],
                ("code", &code),
                ("source", source),
                workspace,
                ("consumer", consumer),
            ];
            store.add(&family::HTTP_REQUESTS, &labels, 1);
        }
        if flags.bandwidth_metrics {
            for (direction, bytes) in [("egress", seen.egress), ("ingress", seen.ingress)] {
                let labels = [
                    pair[0],
                    pair[1],
                    ("direction", direction),
                    workspace,
                    ("consumer", consumer),
                ];
                // Kong counts a direction only if something went that way.
                if bytes > 0 {
                    store.add(&family::BANDWIDTH, &labels, bytes);
                }
            }
        }
        if flags.latency_metrics {
            let labels = [pair[0], pair[1], workspace];
            store.observe(
                &family::REQUEST_LATENCY,
                &labels,
                milliseconds(seen.request),
            );
            if let Some(upstream) = seen.upstream {
                store.observe(&family::UPSTREAM_LATENCY, &labels, milliseconds(upstream));
            }
            store.observe(&family::KONG_LATENCY, &labels, milliseconds(seen.kong));
        }
    }

    /// The whole exposition. `enabled` says whether any `prometheus` instance is.
    pub(crate) async fn print(
        &self,
        node: &Node,
        server: &Server,
        config: &Config,
        enabled: bool,
    ) -> Vec<u8> {
        let mut all = Store::default();
        node.gauges(server, &mut all);
        if enabled {
            all.set(&family::METRIC_ERRORS, &[], 0);
            let health = {
                let state = self.state.lock();
                all.merge(&state.store);
                state.upstream_health
            };
            if health {
                targets::health(config, &mut all).await;
            }
        }
        print::print(&all)
    }
}

/// Kong measures with Nginx's cached clock, in whole milliseconds.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

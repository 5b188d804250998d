//! `kong_upstream_target_health`: four lines for each address of each target.

use std::net::IpAddr;
use std::time::Duration;

use super::family::TARGET_HEALTH;
use super::store::Store;
use crate::gateway::address;
use crate::gateway::config::{Config, Upstream};

/// A scrape does not wait for a resolver longer than this.
const RESOLVE: Duration = Duration::from_secs(1);

pub(super) async fn health(config: &Config, store: &mut Store) {
    for upstream in config.upstreams.values() {
        // Kong's balancer leaves targets without weight out.
        for target in upstream.targets.iter().filter(|target| target.weight > 0) {
            let addresses = tokio::time::timeout(RESOLVE, address::resolve(&target.target)).await;
            let addresses = addresses.ok().and_then(Result::ok).unwrap_or_default();
            let name = address::display(&target.target);
            if addresses.is_empty() {
                states(store, upstream, &name, "", "dns_error");
            }
            let state = if checked(upstream) {
                "healthy"
            } else {
                "healthchecks_off"
            };
            for found in addresses {
                let shown = match found.ip() {
                    IpAddr::V4(ip) => format!("{ip}:{}", found.port()),
                    IpAddr::V6(ip) => format!("[{}]:{}", address::long(ip), found.port()),
                };
                states(store, upstream, &name, &shown, state);
            }
        }
    }
}

fn states(store: &mut Store, upstream: &Upstream, target: &str, address: &str, current: &str) {
    for state in ["dns_error", "healthchecks_off", "healthy", "unhealthy"] {
        let labels = [
            ("upstream", upstream.name.as_str()),
            ("target", target),
            ("address", address),
            ("state", state),
            ("subsystem", "http"),
        ];
        store.set(&TARGET_HEALTH, &labels, u64::from(state == current));
    }
}

/// Whether Kong would check the targets' health; the stand-in then finds them all healthy.
fn checked(upstream: &Upstream) -> bool {
    let Some(checks) = &upstream.healthchecks else {
        return false;
    };
    ["active", "passive"].iter().any(|kind| {
        ["healthy", "unhealthy"].iter().any(|side| {
            let side = &checks[*kind][*side];
            [
                "interval",
                "successes",
                "http_failures",
                "tcp_failures",
                "timeouts",
            ]
            .iter()
            .any(|field| side[*field].as_f64().is_some_and(|value| value > 0.0))
        })
    })
}

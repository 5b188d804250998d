//! The types of Kong's own families, where sources disagree about one.
//!
//! From `init` in `kong/plugins/prometheus/exporter.lua` of Kong 2.8 to 3.9; those of Kong Enterprise and its AI gateway from the
//! examples in its documentation. Every version that has a family gives it the same type.

use super::types::FamilyType;

const COUNTERS: [&str; 12] = [
    "kong_ai_llm_cost_total",
    "kong_ai_llm_requests_total",
    "kong_ai_llm_tokens_total",
    "kong_ai_mcp_error_total",
    "kong_bandwidth",
    "kong_bandwidth_bytes",
    "kong_http_consumer_status",
    "kong_http_requests_total",
    "kong_http_status",
    "kong_nginx_metric_errors_total",
    "kong_stream_sessions_total",
    "kong_stream_status",
];

const GAUGES: [&str; 19] = [
    "kong_control_plane_connected",
    "kong_data_plane_cluster_cert_expiry_timestamp",
    "kong_data_plane_config_hash",
    "kong_data_plane_last_seen",
    "kong_data_plane_version_compatible",
    "kong_datastore_reachable",
    "kong_db_entities_total",
    "kong_enterprise_license_features",
    "kong_enterprise_license_signature",
    "kong_memory_lua_shared_dict_bytes",
    "kong_memory_lua_shared_dict_total_bytes",
    "kong_memory_workers_lua_vms_bytes",
    "kong_nginx_connections_total",
    "kong_nginx_http_current_connections",
    "kong_nginx_requests_total",
    "kong_nginx_stream_current_connections",
    "kong_nginx_timers",
    "kong_node_info",
    "kong_upstream_target_health",
];

const HISTOGRAMS: [&str; 7] = [
    "kong_ai_llm_provider_latency_ms",
    "kong_ai_mcp_latency_ms",
    "kong_kong_latency_ms",
    "kong_latency",
    "kong_request_latency_ms",
    "kong_session_duration_ms",
    "kong_upstream_latency_ms",
];

/// The type that Kong gives to the family of this name, if it is one of Kong's.
pub(super) fn known_type(name: &[u8]) -> Option<FamilyType> {
    let name = std::str::from_utf8(name).ok()?;
    [
        (&COUNTERS[..], FamilyType::Counter),
        (&GAUGES[..], FamilyType::Gauge),
        (&HISTOGRAMS[..], FamilyType::Histogram),
    ]
    .into_iter()
    .find_map(|(names, family)| names.contains(&name).then_some(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::captures::captures;

    #[test]
    fn every_capture_says_the_same() {
        let mut seen = 0;
        for (name, text) in captures() {
            for line in String::from_utf8_lossy(&text).lines() {
                let mut words = line.split(' ');
                if words.next() == Some("#") && words.next() == Some("TYPE") {
                    let family = words.next().unwrap_or_default();
                    let said = FamilyType::parse(words.next().unwrap_or_default().as_bytes());
                    assert_eq!(known_type(family.as_bytes()), said, "{name}: {family}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}

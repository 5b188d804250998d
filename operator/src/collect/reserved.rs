//! Names that are not a pod's to have.

/// Whether samples of this name, or of a family of this name, are not taken from pods: what Prometheus writes itself about a
/// target or a rule, and tagalong's own. Rules and alerts rely on these. What Kong and its filters write, whatever its name,
/// is taken, and so is what a sidecar says of itself.
pub(super) fn reserved(name: &[u8]) -> bool {
    let tagalong = name.starts_with(b"tagalong_") && !name.starts_with(b"tagalong_sidecar_");
    tagalong || name == b"up" || name.starts_with(b"ALERTS") || name.starts_with(b"scrape_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_rely_on() {
        for name in [
            "up",
            "ALERTS",
            "ALERTS_FOR_STATE",
            "scrape_duration_seconds",
            "tagalong_build_info",
            "tagalong_collect_pod_up",
            "tagalong_push_streams",
        ] {
            assert!(reserved(name.as_bytes()), "{name}");
        }
        for name in [
            "upstream_health",
            "kong_http_requests_total",
            "tagalong_sidecar_samples_total",
            "pw_filter_hist",
            "alerts",
        ] {
            assert!(!reserved(name.as_bytes()), "{name}");
        }
    }
}

//! The families: names, texts and buckets of Kong 3.9.1 (`kong/plugins/prometheus/exporter.lua`).

/// A metric family.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the prefix `kong_`.
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
    /// Upper bounds in milliseconds; empty for what is no histogram.
    pub(super) bounds: &'static [u32],
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: "gauge",
        help,
        bounds: &[],
    }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: "counter",
        help,
        bounds: &[],
    }
}

const fn histogram(name: &'static str, bounds: &'static [u32], help: &'static str) -> Family {
    Family {
        name,
        kind: "histogram",
        help,
        bounds,
    }
}

const UPSTREAM_BOUNDS: &[u32] = &[
    25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000,
];
const KONG_BOUNDS: &[u32] = &[
    1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000,
];

pub(super) static BANDWIDTH: Family = counter(
    "bandwidth_bytes",
    "Total bandwidth (ingress/egress) throughput in bytes",
);
pub(super) static DATASTORE: Family = gauge(
    "datastore_reachable",
    "Datastore reachable from Kong, 0 is unreachable",
);
pub(super) static HTTP_REQUESTS: Family = counter(
    "http_requests_total",
    "HTTP status codes per consumer/service/route in Kong",
);
pub(super) static KONG_LATENCY: Family = histogram(
    "kong_latency_ms",
    KONG_BOUNDS,
    "Latency added by Kong and enabled plugins for each service/route in Kong",
);
pub(super) static SHARED_DICT: Family = gauge(
    "memory_lua_shared_dict_bytes",
    "Allocated slabs in bytes in a shared_dict",
);
pub(super) static SHARED_DICT_TOTAL: Family = gauge(
    "memory_lua_shared_dict_total_bytes",
    "Total capacity in bytes of a shared_dict",
);
pub(super) static WORKERS: Family = gauge(
    "memory_workers_lua_vms_bytes",
    "Allocated bytes in worker Lua VM",
);
pub(super) static CONNECTIONS: Family = gauge(
    "nginx_connections_total",
    "Number of connections by subsystem",
);
pub(super) static METRIC_ERRORS: Family = counter(
    "nginx_metric_errors_total",
    "Number of nginx-lua-prometheus errors",
);
pub(super) static REQUESTS: Family = gauge("nginx_requests_total", "Number of requests total");
pub(super) static TIMERS: Family = gauge("nginx_timers", "Number of nginx timers");
pub(super) static NODE_INFO: Family = gauge("node_info", "Kong Node metadata information");
pub(super) static REQUEST_LATENCY: Family = histogram(
    "request_latency_ms",
    UPSTREAM_BOUNDS,
    "Total latency incurred during requests for each service/route in Kong",
);
pub(super) static UPSTREAM_LATENCY: Family = histogram(
    "upstream_latency_ms",
    UPSTREAM_BOUNDS,
    "Latency added by upstream response for each service/route in Kong",
);
pub(super) static TARGET_HEALTH: Family = gauge(
    "upstream_target_health",
    "Health status of targets of upstream. States = healthchecks_off|healthy|unhealthy|dns_error, \
     value is 1 when state is populated.",
);

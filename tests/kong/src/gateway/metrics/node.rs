//! The gauges about the node itself.
//!
//! Names and label sets are Kong's. Connections and requests are counted; what only an Nginx with Lua has (dictionaries,
//! timers, the Lua heap) is what an idle Kong 3.9.1 shows.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::family::{
    CONNECTIONS, DATASTORE, NODE_INFO, REQUESTS, SHARED_DICT, SHARED_DICT_TOTAL, TIMERS, WORKERS,
};
use super::store::Store;
use crate::gateway::id;
use crate::http::VERSION;

/// Dictionary, bytes allocated, bytes in all.
const DICTIONARIES: &[(&str, u64, u64)] = &[
    ("kong", 40_960, 5_242_880),
    ("kong_cluster_events", 40_960, 5_242_880),
    ("kong_core_db_cache", 798_720, 134_217_728),
    ("kong_core_db_cache_miss", 86_016, 12_582_912),
    ("kong_db_cache", 794_624, 134_217_728),
    ("kong_db_cache_miss", 86_016, 12_582_912),
    ("kong_healthchecks", 40_960, 5_242_880),
    ("kong_locks", 61_440, 8_388_608),
    ("kong_rate_limiting_counters", 86_016, 12_582_912),
    ("kong_secrets", 40_960, 5_242_880),
    ("prometheus_metrics", 40_960, 5_242_880),
];

/// Name, bytes allocated and bytes in all of each dictionary.
pub(crate) fn dictionaries() -> impl Iterator<Item = (String, u64, u64)> {
    DICTIONARIES
        .iter()
        .map(|(name, used, total)| ((*name).to_owned(), *used, *total))
}

/// Allocated by an idle worker's Lua.
const LUA_HEAP: u64 = 46_595_681;

/// Who this Kong is.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// As many as Nginx would have workers.
    pub(crate) workers: u32,
}

/// Counts of all listeners together.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) accepted: AtomicU64,
    pub(crate) active: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    /// The proxy's ports, and whether each speaks TLS.
    pub(crate) proxy_ports: Mutex<Vec<(u16, bool)>>,
}

impl Server {
    /// As `GET /` of the Admin API shows them.
    pub(crate) fn proxy_listeners(&self) -> Vec<Value> {
        let ports = self.proxy_ports.lock();
        ports
            .iter()
            .map(|(port, tls)| json!({ "port": port, "ssl": tls }))
            .collect()
    }
}

impl Node {
    pub(crate) fn new(workers: u32) -> Self {
        Self {
            id: id::fresh(),
            workers,
        }
    }

    pub(super) fn gauges(&self, server: &Server, store: &mut Store) {
        let node = ("node_id", self.id.as_str());
        let subsystem = ("kong_subsystem", "http");
        store.set(&DATASTORE, &[], 1);
        for (name, used, total) in DICTIONARIES {
            let labels = [node, ("shared_dict", *name), subsystem];
            store.set(&SHARED_DICT, &labels, *used);
            store.set(&SHARED_DICT_TOTAL, &labels, *total);
        }
        for pid in self.pids() {
            store.set(&WORKERS, &[node, ("pid", &pid), subsystem], LUA_HEAP);
        }
        let active = server.active.load(Relaxed);
        let busy = server.in_flight.load(Relaxed);
        let accepted = server.accepted.load(Relaxed);
        let requests = server.requests.load(Relaxed);
        for (state, value) in [
            ("accepted", accepted),
            ("active", active),
            ("handled", accepted),
            ("reading", 0),
            ("total", requests),
            ("waiting", active.saturating_sub(busy)),
            ("writing", busy),
        ] {
            store.set(
                &CONNECTIONS,
                &[node, ("subsystem", "http"), ("state", state)],
                value,
            );
        }
        store.set(&REQUESTS, &[node, ("subsystem", "http")], requests);
        store.set(&TIMERS, &[("state", "pending")], 0);
        store.set(&TIMERS, &[("state", "running")], 641);
        store.set(&NODE_INFO, &[node, ("version", VERSION)], 1);
    }

    /// The workers' process ids, which here are names only.
    pub(crate) fn pids(&self) -> impl Iterator<Item = String> {
        let own = std::process::id();
        (0..self.workers).map(move |worker| (own + worker).to_string())
    }
}

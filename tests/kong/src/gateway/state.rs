//! State that all listeners of one Kong share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use super::balancer::{Balancer, balancers};
use super::config::validate::Refusal;
use super::config::{Config, EMPTY_HASH};
use super::metrics::{Metrics, Node, Server};
use super::plugin::Plugins;
use super::proxy::Pool;
use super::router::Router;
use super::unexpected::Unexpected;

/// A configuration in use.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) config: Config,
    pub(crate) router: Router,
    pub(crate) plugins: Plugins,
    pub(crate) balancers: BTreeMap<String, Arc<Balancer>>,
}

/// How the Admin and Status API shall misbehave.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Answer `POST /config` with this status.
    pub(crate) config: Mutex<Option<http::StatusCode>>,
    /// Close the connection on `GET /status`.
    pub(crate) status_down: AtomicBool,
}

/// One Kong.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) plugins: BTreeSet<String>,
    pub(crate) node: Node,
    pub(crate) server: Server,
    pub(crate) metrics: Metrics,
    pub(crate) faults: Faults,
    pub(crate) unexpected: Unexpected,
    pub(crate) pool: Pool,
    /// `POST /status/ready` with `status=draining`.
    pub(crate) draining: AtomicBool,
    /// The last document that was accepted.
    document: Mutex<Value>,
    active: RwLock<Arc<Active>>,
}

impl State {
    pub(crate) fn new(plugins: BTreeSet<String>, workers: u32) -> Self {
        Self {
            plugins,
            node: Node::new(workers),
            server: Server::default(),
            metrics: Metrics::default(),
            faults: Faults::default(),
            unexpected: Unexpected::default(),
            pool: Pool::default(),
            draining: AtomicBool::new(false),
            document: Mutex::new(Value::Null),
            active: RwLock::new(Arc::new(Active::new(Config::empty(), &BTreeMap::new()))),
        }
    }

    /// The configuration in use now; a request keeps the one that it began with.
    pub(crate) fn active(&self) -> Arc<Active> {
        self.active.read().clone()
    }

    /// Takes a new configuration into use, or says why Kong would not. Counters stay.
    pub(crate) fn load(&self, document: Value) -> Result<Arc<Active>, Refusal> {
        let config = Config::load(&document, &self.plugins);
        let config = config.inspect_err(|refusal| {
            for unknown in &refusal.unknown {
                self.unexpected.record("unknown configuration key", unknown);
            }
        })?;
        for plugin in &config.plugins {
            if plugin.enabled && !super::config::plugins::EFFECTIVE.contains(&plugin.name.as_str())
            {
                self.unexpected
                    .record("plugin without effect", &plugin.name);
            }
        }
        let mut active = self.active.write();
        *active = Arc::new(Active::new(config, &active.balancers));
        *self.document.lock() = document;
        Ok(active.clone())
    }

    pub(crate) fn document(&self) -> Value {
        self.document.lock().clone()
    }

    /// `configuration_hash`; `None` while there is no configuration.
    pub(crate) fn hash(&self) -> Option<String> {
        Some(self.active().config.hash.clone()).filter(|hash| hash != EMPTY_HASH)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    /// All metrics, as they are printed.
    pub(crate) async fn metrics(&self) -> Vec<u8> {
        let active = self.active();
        let enabled = active.plugins.any("prometheus");
        self.metrics
            .print(&self.node, &self.server, &active.config, enabled)
            .await
    }
}

impl Active {
    fn new(config: Config, before: &BTreeMap<String, Arc<Balancer>>) -> Self {
        Self {
            router: Router::new(&config.routes),
            plugins: Plugins::new(&config),
            balancers: balancers(&config, before),
            config,
        }
    }
}

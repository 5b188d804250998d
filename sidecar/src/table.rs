//! The table in use, and what there is to tell about it.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tagalong_exposition::LabelTable;
use tagalong_wire::Names;

/// The table in use. A scrape takes it once and uses it to its end, so that one response never mixes two tables.
pub type Tables = Arc<ArcSwap<Loaded>>;

/// A table as it was told, ready for use. The default knows nothing, so Kong's bytes pass unchanged.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What the rewriter looks up.
    pub labels: LabelTable,
    /// The version it was told with; none as long as there is no table.
    pub version: Option<u64>,
    /// How many services it names.
    pub services: usize,
    /// How many upstreams it names.
    pub upstreams: usize,
    /// When it came.
    pub since: Option<SystemTime>,
}

impl Loaded {
    /// Readies a table that was just told.
    #[must_use]
    pub fn new(version: u64, services: &Names, upstreams: &Names) -> Self {
        let mut labels = LabelTable::builder();
        for (kong, service) in services.iter() {
            labels = labels.service(kong, &service.namespace, &service.name);
        }
        for (kong, service) in upstreams.iter() {
            labels = labels.upstream(kong, &service.namespace, &service.name);
        }
        Self {
            labels: labels.build(),
            version: Some(version),
            services: services.len(),
            upstreams: upstreams.len(),
            since: Some(SystemTime::now()),
        }
    }
}

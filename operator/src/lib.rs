//! Reconciles the metrics extension, pushes label tables, collects every pod's metrics
//!
//! ```text
//!   watches ──▶ world (one index, one lock) ──▶ push: a table for each sidecar     every replica
//!                   ├──▶ reconcile: plugins, Services, DataPlanes, status          lease holder
//!                   └──▶ collect: /metrics of all sidecars, merged                 lease holder
//!   certificates: authority, serving certificates                                  lease holder writes
//! ```

pub mod admission;
pub mod args;
pub mod ask;
pub mod certificates;
pub mod cluster;
pub mod collect;
pub mod events;
pub mod explain;
pub mod lease;
pub mod manifests;
pub mod metrics;
pub mod offline;
pub mod operate;
pub mod push;
pub mod ready;
pub mod reconcile;
pub mod scrape;
pub mod uninstall;
pub mod watches;
pub mod world;

//! Reconciles the metrics extension, pushes label tables, collects every pod's metrics.
//!
//! ```text
//!   watch ──▶ world (one index, one lock) ──▶ push: a table for each sidecar       every replica
//!                 ├──▶ reconcile: plugins, Services, DataPlanes, status            lease holder
//!                 ├──▶ names: counted, and reported where one stands for no Service   every replica
//!                 ├──▶ collect: all sidecars, merged ──▶ serve: /metrics           lease holder
//!                 └──▶ summaries: the load of all sidecars ──▶ custom_metrics: for HPAs   every replica
//!   certificates: authority, serving certificates                                  lease holder writes
//!   operate puts these together; cli answers a person's questions with the same parts
//! ```
//!
//! Each folder is one room. Which may use which is written down, and held, in `tests/tests/it/house.rs`.

pub mod args;
pub mod causes;
pub mod certificates;
pub mod cli;
pub mod collect;
pub mod custom_metrics;
pub mod error;
pub mod events;
pub mod installer;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod network_peers;
pub mod operate;
mod process;
pub mod push;
pub mod reconcile;
pub mod reviews;
pub mod serve;
pub mod summaries;
pub mod watch;
pub mod world;

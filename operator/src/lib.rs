//! Reconciles the metrics extension, pushes label tables, collects every pod's metrics

pub mod certificates;
pub mod metrics;
pub mod push;
pub mod reconcile;
pub mod watches;

//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod attach;
mod certificates;
mod collected;
mod conflicts;
mod custom_metrics;
mod datadog;
mod definitions;
mod failing_writes;
mod globals;
mod history;
mod monitors;
mod panics;
mod permissions;
mod plain;
mod policies;
mod prometheus;
mod push;
mod readiness;
mod readings;
mod recipes;
mod refusals;
mod relabelling;
mod replicas;
mod rotation;
mod scale;
mod unreadable;

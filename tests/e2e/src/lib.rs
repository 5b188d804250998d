//! What a user does, from `helm install` to pods scaled on latency, with the published manifests unchanged.
//!
//! On the node of the test bed: Kong's own operator and controller, a stand-in for Kong, our chart, Prometheus,
//! its adapter and the autoscaler. `tests/road.rs` walks the road once; `tests/faults.rs` breaks things on it.

pub mod away;
pub mod cgroups;
pub mod example;
pub mod faults;
pub mod figures;
pub mod helm;
pub mod images;
pub mod labels;
pub mod ledger;
pub mod monitoring;
pub mod objects;
pub mod processors;
pub mod recovery;
pub mod release;
pub mod road;
pub mod scaling;
pub mod stage;
pub mod traffic;
pub mod trickle;

/// What a step of the road gives.
pub type Tried<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

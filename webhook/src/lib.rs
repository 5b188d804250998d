//! Puts the sidecar into each DataPlane that is labelled for injection, and into Kong's Deployments, DaemonSets and StatefulSets that are.
//!
//! [`inject`] is the whole of it: an object in, a JSON Patch out, nothing asked of anybody. What stands around it
//! reads and writes `AdmissionReview`s ([`review`]) and serves them over TLS ([`server`]).
//!
//! The result depends on the user's part of the object alone: what an earlier version of tagalong put there is taken
//! out before anything is put in. So an operator that patches the sidecar away gets the same bytes back in the same
//! request, and the API server sees no change at all.

mod args;
pub mod by_hand;
mod cut;
mod image;
mod inject;
mod intake;
mod json;
mod metrics;
mod quantity;
mod resources;
pub mod review;
mod run;
mod security;
pub mod server;
mod settings;
mod sparse;
mod yaml;

pub use self::args::Args;
pub use self::inject::{Injection, Refusal, Verdict, inject};
pub use self::metrics::Metrics;
pub use self::run::{RunError, run};
pub use self::server::Handler;
pub use self::settings::{InjectionSettings, PullPolicy};

//! The metrics API (`custom.metrics.k8s.io`): what an HPA asks about Services and about Kong itself, on a port of its own.
//!
//! ```text
//!   server ── authentication: front proxy's certificate, or a token ──▶ User
//!      ├── path ── discovery: documents made once
//!      ├── authorization: may this User ask that
//!      └── Signals (kong_signals, of the summaries): from memory ──▶ list, or a Denial in words
//!   api_services ◀── keeper: who answers for the group in this cluster             lease holder writes
//! ```
//!
//! An HPA believes every number and keeps its replicas at every error, shows the error's words to people, and waits for
//! a slow answer: so what is not known is a denial whose words help, and every answer comes within a second.

pub mod api_services;
pub mod authentication;
pub mod authorization;
pub mod config_map;
pub mod denial;
pub mod discovery;
pub mod front_proxy;
pub mod keeper;
mod kong_signals;
pub mod list;
pub mod path;
pub mod server;
pub mod signals;
pub mod user;
pub mod values;

/// The API's group.
pub const GROUP: &str = "custom.metrics.k8s.io";

#[cfg(test)]
mod tests;

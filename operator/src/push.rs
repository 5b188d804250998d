//! The label push: each sidecar opens a stream and gets its own DataPlane's table, and no other.

pub mod claims;
pub mod feeds;
pub mod server;
pub mod stream;
pub mod tokens;

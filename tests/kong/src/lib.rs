//! A stand-in for Kong Gateway, judged by captures of the real one.
//!
//! [`CaptureKong`] replays a captured `/metrics` as Kong 3.9.1 sends it, and can be told to misbehave.

pub mod captures;
mod http;
mod replay;
mod tls;

pub use captures::captures;
pub use replay::{Behaviour, CaptureKong, CaptureKongBuilder, StartError};

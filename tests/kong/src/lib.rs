//! A stand-in for Kong Gateway, judged by captures of the real one.
//!
//! [`CaptureKong`] replays a captured `/metrics` as Kong 3.9.1 sends it, and can be told to misbehave. [`Gateway`] is
//! configured as Kong is, routes real requests, and counts them as Kong does.

pub mod captures;
mod chunks;
mod gateway;
mod http;
mod replay;
mod tls;

pub use captures::captures;
pub use gateway::{BadSetting, CertificateError, Gateway, GatewayError, Listen, Quitter, Settings};
pub use replay::{Behaviour, CaptureKong, CaptureKongBuilder, StartError};
pub use tls::TlsError;

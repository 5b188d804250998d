//! Support for the tests on a real API server.

pub mod operator;
pub mod release;
pub mod world;

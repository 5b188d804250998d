//! What the tests of several modules need.

pub mod pki;

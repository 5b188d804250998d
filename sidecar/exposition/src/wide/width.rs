//! The width of all implementations.

/// How many bytes are looked at.
pub(crate) const WIDE: usize = 64;

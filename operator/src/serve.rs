//! What the operator's own port answers.

pub mod metrics;

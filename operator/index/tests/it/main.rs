//! The index from outside, a story in each module.

#![allow(
    clippy::needless_pass_by_value,
    clippy::redundant_clone,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may fail so, and read easily"
)]

mod attachments;
mod common;
mod explain;
mod incremental;
mod kinds;
mod manifests;
mod oracle;
mod plans;
mod pods;
mod readings;
mod reduced;
mod truth;

//! The index from outside, a story in each module.

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
mod recorded;
mod reduced;
mod truth;

//! The stories of this crate, a module each; `on_bed` has those that need more than a Rust compiler.

mod floods;
mod manifests;
mod offline;
mod on_bed;
mod stalled;
mod support;
mod told;
mod unreadable;

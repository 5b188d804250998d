//! The stories of this crate, a module each; `on_bed` has those that need more than a Rust compiler.

mod files;
mod on_bed;
mod support;
mod values;

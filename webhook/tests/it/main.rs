//! The stories of this crate, a module each; `on_bed` has those that need more than a Rust compiler.

mod by_hand;
mod configuration;
mod corpus;
mod flags;
mod on_bed;
mod process;
mod properties;
mod rules;
mod support;

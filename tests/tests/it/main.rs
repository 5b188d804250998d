//! Tests of the whole, a module each; `on_bed` has those that need more than a Rust compiler.

mod house;
mod judge;
mod links;
mod on_bed;
mod recipes;
mod recorded;
mod workflows;

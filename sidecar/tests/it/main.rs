//! The stories of this crate, a module each.

mod answers;
mod common;
mod failures;
mod labels;
mod process;
mod sharing;
mod stream;

//! The stories of this crate, a module each.

mod answers;
mod common;
mod delay;
mod failures;
mod floods;
mod kernel;
mod labels;
mod limited;
mod noise;
mod odd_clients;
mod odd_kong;
mod on_bed;
mod process;
mod sharing;
mod stream;
mod summary;

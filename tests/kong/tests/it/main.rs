//! The stories of this crate, a module each.

mod captured_load;
mod gateway;
mod image;
mod replay;
mod support;

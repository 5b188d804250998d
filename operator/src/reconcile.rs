//! What the world should look like, and the writes that make it so.

pub mod annotation;

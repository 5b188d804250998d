//! The types beside what clusters serve, and the definition in the tree.

mod partial;
mod published;

//! What needs the programs that the test bed builds, a cluster or a node: `make on-bed`.

mod elsewhere;
mod install;
mod render;
mod schema;

//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod checks;
mod elsewhere;
mod install;
mod render;
mod schema;

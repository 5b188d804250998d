//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod admission;
mod gateway_operator;
mod missed;
mod node;

//! What needs the programs that the test bed builds, a cluster or a node: `make on-bed`.

mod admission;
mod gateway_operator;
mod missed;
mod node;

//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod away;
mod faults;
mod road;

//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod calls;
mod control_plane;
mod crds;
mod latency;
mod node;
mod nothing_left;

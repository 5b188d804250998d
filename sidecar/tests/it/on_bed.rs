//! What needs programs beyond a Rust compiler: `make cluster-tests`.

mod certificates;

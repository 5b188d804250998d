//! What needs the programs that the test bed builds, a cluster or a node: `make on-bed`.

mod guides;
mod kic;
mod promtool;
mod promtool_merge;
mod strict_parsers;
mod translator;

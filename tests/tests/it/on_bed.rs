//! What needs the programs that the test bed builds, a cluster or a node: `make chart-tests cluster-tests`.

mod clients;
mod guides;
mod kic;
mod per_backend;
mod promtool;
mod promtool_merge;
mod strict_parsers;
mod textparse;
mod translator;

//! The Prometheus text exposition as bytes: rewritten and merged as it streams by, without I/O.

mod escape;
mod family;
mod grammar;
mod held;
pub mod merge;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod opening;
mod options;
mod prefetch;
mod quotes;
mod rewrite;
mod run;
mod sample;
mod swar;
mod table;

pub use options::{Keep, Options, Stats};
pub use rewrite::Rewriter;
pub use table::{LabelTable, LabelTableBuilder};

#[cfg(test)]
mod tests;

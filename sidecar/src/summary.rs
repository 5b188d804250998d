//! What the sidecar says of the load: totals of each Service that only grow (`docs/design.md` §11).
//!
//! ```text
//!  flight ──> ledger (reading, series, names, services, nginx) ──> answer
//!                 pace (when Kong may be looked at for a summary alone)
//! ```
//!
//! A summary is a by-product of whatever scrape passes by. Nothing is reckoned until somebody asks, nor when nobody has
//! asked for a while: then what was reckoned is dropped, and an epoch ends.

mod answer;
mod ledger;
mod names;
mod nginx;
mod pace;
mod reading;
mod series;
mod services;
mod summaries;

pub use answer::{Listing, SummaryAnswer};
pub(crate) use summaries::Watch;
pub use summaries::{Need, Summaries};

#[cfg(test)]
mod tests;

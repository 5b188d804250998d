//! What real scrapers make of the captures, at the sidecar and at the operator: nothing is refused but what they refuse of
//! Kong's own answer, and every value is Kong's.
//!
//! Each capture is served by a stand-in for Kong, in front of it the sidecar, in front of those the operator: all processes
//! of their own. Not among them is `large`, which Python's parsers take minutes for.
//!
//! The OpenTelemetry collector is not among them, and run by nothing here: building it takes longer than a tool may.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod bed;
mod datadog;
mod meaning;
mod prometheus;
mod python;
mod vmagent;

use bed::Bed;

/// Whose own answer Python's parsers refuse, and so the sidecar's: a line feed in a consumer's name, which Kong prints raw.
/// Prometheus and vmagent make of it what they can.
pub const REFUSED_OF_KONG: [&str; 1] = ["edge-broken-newline"];
/// Whose own answer Datadog's check refuses, and so the sidecar's and the operator's: it ends lines at a form feed, too, or
/// at U+2028, where the format has a part of a value.
pub const REFUSED_BY_DATADOG: [&str; 2] = ["edge-broken-newline", "edge-valid"];

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_read_is_what_kong_said() {
    let bed = Bed::start();
    // One after the other: each takes a core for itself.
    python::reads(&bed);
    datadog::reads(&bed);
    vmagent::reads(&bed);
    prometheus::reads(&bed);
}

//! The Prometheus text exposition as bytes: rewritten and merged as it streams by, without I/O.
//!
//! [`Rewriter`] gives samples of Kong's `/metrics` the labels of the Kubernetes Service they belong to. [`merge`] makes one
//! exposition of many. Both take chunks cut anywhere, and hold no more than they must. [`negotiate`] reads a scraper's request
//! headers.
//!
//! ```
//! use tagalong_exposition::{LabelTable, Options, Rewriter};
//!
//! let table = LabelTable::builder().service("httproute.default.echo.0", "default", "echo").build();
//! let mut rewriter = Rewriter::new(Options::default());
//! let mut out = Vec::new();
//! let chunk = b"kong_http_requests_total{service=\"httproute.default.echo.0\",code=\"200\"} 3\n";
//! rewriter.push(&table, chunk, &mut out);
//! rewriter.finish(&table, &mut out);
//! assert!(out.starts_with(b"kong_http_requests_total{namespace=\"default\",service=\"echo\",kubernetes_apiversion"));
//! ```
//!
//! [`Observer`] sees the samples as they pass, for whoever reckons with their numbers.
//!
//! # What the rewriter does to a line
//!
//! Text format 0.0.4 and OpenMetrics 1.0 are read alike, with their blanks, timestamps and exemplars. A line is a sample if
//! it is one from its first byte to its last; a number is what Prometheus takes for one.
//!
//! - **Enriched**: a sample whose `service` label is in the [`LabelTable`]. In front of the label's name comes
//!   `namespace="…",service="…",kubernetes_apiversion="v1",kubernetes_kind="service",kubernetes_name="…",kubernetes_namespace="…",kong_`,
//!   so that Kong's own name goes on as `kong_service`. Nothing else on the line changes, not even a blank. A sample of
//!   `kong_upstream_target_health` has no `service`; its `upstream` is looked up instead, and stays as it is behind the same
//!   labels without the `kong_`.
//! - **Passed byte for byte**: everything else. That is
//!   - a sample that names no Kong service, or one that is not in the table;
//!   - a sample that already has one of the added labels, or has its `service` (or `upstream`) twice, since no label may
//!     ever be written twice;
//!   - comments and blank lines;
//!   - a line that is no sample: with a line end of CR LF, a name in quotes, half a number, or anything else amiss;
//!   - a line longer than [`Options::max_line`].
//!
//! A label is a label only where it stands as one. Text inside of a value (`x="a,service="`) never is.
//!
//! A sample whose name the table knows to be ambiguous passes, too, and is counted by name: the first of these that were really
//! seen are [told](Rewriter::ambiguous).
//!
//! # Line feeds in values
//!
//! Kong escapes quotes and backslashes in a consumer's name, but not line feeds; Prometheus' own scraper takes such a
//! value with its line feed. So when a line ends inside of a label's value, the lines that follow are part of that
//! value up to the one with the closing quote, and all of them, the first and the last too, pass unchanged. So a consumer's
//! name can never be mistaken for a sample. After a value that really is unfinished, because something else cut the line,
//! the first line with a quote is taken for its end and is not enriched; the lines after it are. Quotes in exemplars are not
//! followed.
//!
//! # A wrong label is worse than none
//!
//! A line whose meaning is not certain passes. The rules stand twice in this crate: in the fast reader, and in the oracle
//! `naive`, with which the tests and fuzz targets compare it.

mod added;
mod ambiguous;
mod carry;
mod escape;
mod family;
mod grammar;
pub mod merge;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
pub mod negotiate;
mod observe;
mod opening;
mod options;
mod pending;
mod prefetch;
mod quotes;
mod rewrite;
mod run;
mod sample;
mod swar;
mod table;
mod wide;

pub use ambiguous::AmbiguousNames;
pub use observe::{ObservedSample, Observer, Unobserved};
pub use options::{Keep, Options, Stats};
pub use rewrite::Rewriter;
pub use table::LabelTable;
pub use table::builder::LabelTableBuilder;

#[cfg(test)]
mod tests;

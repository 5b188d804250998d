//! Rewrites Kong's `/metrics` as it streams by and adds the Kubernetes Service's labels.
//!
//! ```text
//!  scrapers ──> runtime ──> routes ──> scrape ──> kong          labels_file, push ──> table
//!               (places,   (paths,    (queue,    (one scrape                         (what stands
//!                drain)     headers)   flight)    at a time)                          for what)
//! ```
//!
//! # One Kong scrape at a time, and many readers
//!
//! A scrape stalls Kong's own traffic, so Kong is never scraped twice at once. Requests that arrive while a scrape runs
//! wait and share the next one, in whatever coding and selection each asked for. So a response never shows anything
//! older than its request, and 16 scrapers that arrive together cost Kong at most two scrapes.
//!
//! A scrape runs in Kong to its end, whether somebody still listens or not. So when everybody has left, be it that their
//! time was up, or that all they asked for was the head, the sidecar reads on and drops what comes, and the next scrape
//! begins when that has ended. Those who come meanwhile wait, as ever within their own timeout. Only a Kong that sends not
//! a byte for [`SILENCE`](kong::SILENCE) after that is given up.
//!
//! The readers of one scrape share its bytes through a window of [`WINDOW`](scrape::WINDOW) bytes each; the body as a
//! whole is never held. Kong is read at the pace of the slowest reader as long as nobody minds. A reader that holds
//! others up, be they readers of the same scrape or waiting for the next, may do so for
//! [`GRACE`](scrape::GRACE), and earns the time that reading at [`PACE`](scrape::PACE) would take.
//! Beyond that it is cut off: its body ends as a broken one, never cleanly, and it is counted. A reader that keeps that
//! pace is never cut off, however fast the others are; one that is alone may take its time until its own timeout.
//!
//! # Never a clean end to a broken body
//!
//! When Kong's body breaks off, or the scraper's time is up in the middle, the connection is closed without the last
//! chunk. HTTP/1.0 has no chunks and could not tell, so it is answered 505.

pub mod config;
pub mod kong;
pub mod labels_file;
pub mod memory;
pub mod metrics;
mod net;
mod outcome;
pub mod push;
pub mod routes;
mod run;
pub mod scrape;
pub mod summary;
pub mod table;
pub mod url;

pub use config::{Config, Exit};
pub use run::{run, serve_on};

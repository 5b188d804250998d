//! What the operator tells a sidecar, label tables as newline-delimited JSON, and what it asks of one: a summary.
//!
//! A sidecar opens `GET /v1/labels` on the operator, and for as long as that stream lives the operator sends one JSON
//! object a line, as Kubernetes watches do (`docs/design.md` §5):
//!
//! ```text
//! {"type":"SNAPSHOT","version":41,"services":{"httproute.default.echo.0":{"namespace":"default","name":"echo"}},"upstreams":{}}
//! {"type":"DELTA","version":42,"set":{"services":{},"upstreams":{}},"unset":{"services":["gone"],"upstreams":[]}}
//! {"type":"HEARTBEAT","version":42}
//! ```
//!
//! Where names could stand for two Services, a SNAPSHOT and the `set` of a DELTA list them, too:
//! `"ambiguous":{"services":["httproute.default.r.0"],"upstreams":[]}`. They earn no labels, but their samples are counted apart.
//!
//! - Versions count the tables of one stream: a stream begins with a SNAPSHOT of any version, each DELTA carries the
//!   version before it plus one, each HEARTBEAT the version that the sidecar should have. A server that skips states
//!   in between still adds one. Whatever does not fit is a [`Resync`]: the sidecar keeps its table and opens a new stream.
//! - Both sides ignore what they do not know, fields and message types alike, so either can be updated first.
//!
//! Nothing here does I/O: [`Lines`] cuts bytes into lines, [`Message::parse`] reads one, [`Versions`] keeps their order.
//! [`Snapshot::read`] reads a SNAPSHOT name by name, so that a large table is never in memory twice. The feature `oracle`
//! has the plain way, `Table`, which tests hold both programs to.
//!
//! [`read_summary`] reads what a sidecar answers at [`SUMMARY_PATH`].
//!
//! [`contract`] is the home of the names that the programs share in a cluster.

pub mod contract;
mod error;
mod lines;
mod message;
mod names;
mod snapshot;
mod summary;
#[cfg(any(test, feature = "oracle"))]
mod table;
mod versions;

use std::time::Duration;

pub use error::ParseError;
pub use lines::{Lines, TooLong};
pub use message::{Delta, Message, MessageKind, Unset};
pub use names::{Ambiguous, Entries, Names, ServiceRef};
pub use snapshot::{NameKind, Snapshot};
pub use summary::{
    Apart, BOUNDS, Buckets, LOOK_HEADER, Look, MAX_SERVICE, MAX_SUMMARY, PodTotals, SUMMARY_END,
    SUMMARY_PATH, Totals, read_summary,
};
#[cfg(any(test, feature = "oracle"))]
pub use table::{Applied, Table};
pub use versions::{Resync, Versions};

/// Where the operator serves the stream.
pub const PATH: &str = "/v1/labels";

/// The stream's media type.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// How often the operator sends a HEARTBEAT on a stream that has nothing else to say.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a sidecar waits for any message before it takes the stream for dead: three heartbeats and a bit.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(35);

/// The longest message, its newline not counted, in bytes. Some hundred thousand entries fit.
pub const MAX_MESSAGE: usize = 32 << 20;

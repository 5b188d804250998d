//! What becomes of a body that nobody wants any more.

use std::time::Duration;

use http_body::Body;
use http_body_util::BodyExt as _;

/// Kong is given up when it has sent nothing for so long, as if it had died: longer than any scraper waits.
pub const SILENCE: Duration = Duration::from_secs(120);

/// Reads a body to its end, or until nothing comes for [`SILENCE`], and keeps nothing.
pub(crate) async fn discard(mut body: impl Body + Unpin) {
    while let Ok(Some(Ok(_))) = tokio::time::timeout(SILENCE, body.frame()).await {}
}

//! A body in Kong's chunks, with the faults that were asked for.

use std::sync::Arc;

use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::time::{Duration, sleep};

use super::Behaviour;
use super::count::Scrape;
use crate::chunks::Exposition;
use crate::http::{Body, BodyError};

/// The exposition, chunk by chunk, as `behaviour` wants it. `scrape` ends with it.
pub(super) fn replay(exposition: Arc<Exposition>, behaviour: &Behaviour, scrape: Scrape) -> Body {
    let Behaviour {
        chunk_delay,
        cut_after,
        hang_after,
        ..
    } = *behaviour;
    let limit = cut_after.or(hang_after).unwrap_or(usize::MAX);
    let chunks = stream::unfold((0, 0, scrape), move |(index, sent, scrape)| {
        let exposition = exposition.clone();
        async move {
            if index > 0 && chunk_delay > Duration::ZERO {
                sleep(chunk_delay).await;
            }
            if sent < limit
                && let Some(chunk) = exposition.chunk(index)
            {
                let chunk = chunk.slice(..chunk.len().min(limit - sent));
                let sent = sent + chunk.len();
                return Some((Ok(Frame::data(chunk)), (index + 1, sent, scrape)));
            }
            if cut_after.is_some() {
                // hyper drops what it has not flushed when a body fails; give it a moment to flush.
                sleep(Duration::from_millis(50)).await;
                let error = BodyError::new("told to cut the body off");
                return Some((Err(error), (index, sent, scrape)));
            }
            if hang_after.is_some() {
                std::future::pending::<()>().await;
            }
            None
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}

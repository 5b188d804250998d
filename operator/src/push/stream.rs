//! One sidecar's stream: the snapshot, what changes after it, heartbeats; and every way it ends.

use bytes::Bytes;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tagalong_runtime::Drain;
use tagalong_runtime::serve::ConnectionHandle;
use tagalong_wire::{HEARTBEAT_INTERVAL, Message};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// Messages that wait for one slow reader; a table's changes beyond that end its stream.
const WAITING: usize = 4;
/// A reader that takes nothing for so long is not reading.
const SLOW: Duration = Duration::from_secs(30);

/// One message, encoded once for all streams that carry it.
#[derive(Clone, Debug)]
pub struct Update {
    /// The table's version after it.
    pub version: u64,
    /// The line, with its newline.
    pub line: Bytes,
}

/// What one stream carries.
#[derive(Debug)]
pub struct Subscription {
    /// The whole table, as of now.
    pub snapshot: Update,
    /// Everything after it.
    pub updates: broadcast::Receiver<Update>,
    /// Cancelled when the pod is gone, or is no longer this DataPlane's.
    pub gone: CancellationToken,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The sidecar closed it.
    Left,
    /// The sidecar did not read.
    Slow,
    /// The pod is gone.
    PodGone,
    /// This process ends.
    Drained,
}

impl End {
    /// For a metric's label.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::PodGone => "pod_gone",
            Self::Drained => "drained",
        }
    }
}

/// The body of the answer.
#[derive(Debug)]
pub struct LabelStream(mpsc::Receiver<Bytes>);

impl Body for LabelStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// A body, and the work that fills it. The work must run elsewhere.
pub fn open(
    subscription: Subscription,
    connection: ConnectionHandle,
    drain: Drain,
) -> (LabelStream, impl Future<Output = End> + Send + 'static) {
    let (lines, body) = mpsc::channel(WAITING);
    let work = async move {
        let end = tokio::select! {
            biased;
            () = lines.closed() => End::Left,
            () = subscription.gone.cancelled() => End::PodGone,
            () = drain.begun() => End::Drained,
            end = forward(subscription.snapshot, subscription.updates, &lines) => end,
        };
        // A reader that does not read would keep the body, and the connection, for ever.
        if end == End::Slow {
            connection.end_now();
        }
        end
    };
    (LabelStream(body), work)
}

async fn forward(
    snapshot: Update,
    mut updates: broadcast::Receiver<Update>,
    lines: &mpsc::Sender<Bytes>,
) -> End {
    let Update { mut version, line } = snapshot;
    let mut line = Some(line);
    loop {
        let next = line.take().unwrap_or_else(|| heartbeat(version));
        match tokio::time::timeout(SLOW, lines.send(next)).await {
            Ok(Ok(())) => {}
            Ok(Err(_closed)) => return End::Left,
            Err(_elapsed) => return End::Slow,
        }
        match tokio::time::timeout(HEARTBEAT_INTERVAL, updates.recv()).await {
            Ok(Ok(update)) => {
                version = update.version;
                line = Some(update.line);
            }
            Ok(Err(RecvError::Lagged(_))) => return End::Slow,
            Ok(Err(RecvError::Closed)) => return End::PodGone,
            Err(_elapsed) => {}
        }
    }
}

fn heartbeat(version: u64) -> Bytes {
    let mut line = Vec::with_capacity(48);
    Message::Heartbeat { version }.write(&mut line);
    line.into()
}

#[cfg(test)]
mod tests;

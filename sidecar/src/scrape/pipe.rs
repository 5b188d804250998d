//! The window between a flight and one of its readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many bytes a reader may be behind, before it is full. One chunk more may come on top.
pub const WINDOW: usize = 128 * 1024;

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Broken {
    /// Kong's body broke off.
    #[error("Kong's body broke off")]
    Kong,
    /// The reader held others up for too long.
    #[error("the reader was too slow")]
    TooSlow,
    /// A summary was not read before Kong was looked at again.
    #[error("there is a newer summary")]
    Renewed,
    /// The flight is gone without a word: it panicked.
    #[error("the sidecar failed at this scrape")]
    Panic,
}

/// The flight's end.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

/// The reader's end.
#[derive(Debug)]
pub struct PipeReader(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The flight may have something to do: there is room, a reader has run dry, or has gone.
    flight: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    /// Since when there has been something to take, and none of it was taken.
    untouched: Option<Instant>,
    end: Option<Result<(), Broken>>,
    gone: bool,
    waker: Option<Waker>,
}

pub(super) fn pipe(flight: &Arc<Notify>) -> (Writer, PipeReader) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        flight: Arc::clone(flight),
    });
    (Writer(Arc::clone(&shared)), PipeReader(shared))
}

// === impl Writer ===

impl Writer {
    /// Hands over the next bytes, whether there is room or not.
    pub(super) fn push(&self, bytes: Bytes) {
        let mut state = self.0.state.lock();
        if bytes.is_empty() || state.is_over() {
            return;
        }
        state.queued += bytes.len();
        state.queue.push_back(bytes);
        state.untouched.get_or_insert_with(Instant::now);
        state.wake();
    }

    /// The body has ended, well or not, after what was handed over.
    pub(super) fn end(&self, how: Result<(), Broken>) {
        let mut state = self.0.state.lock();
        state.end.get_or_insert(how);
        state.wake();
    }

    /// The body ends here and now; what was handed over and not yet taken is dropped.
    pub(super) fn cut(&self, why: Broken) {
        let mut state = self.0.state.lock();
        state.drain();
        state.end.get_or_insert(Err(why));
        state.wake();
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.state.lock().is_full()
    }

    /// For how long the reader has taken nothing of what there is for it.
    pub(super) fn stands_still(&self) -> Duration {
        let since = self.0.state.lock().untouched;
        since.map_or(Duration::ZERO, |since| {
            Instant::now().saturating_duration_since(since)
        })
    }

    /// Whether the reader has nothing left to take.
    pub(super) fn is_dry(&self) -> bool {
        self.0.state.lock().queue.is_empty()
    }

    /// Whether nothing more is wanted: the reader has gone, or the body has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.state.lock().is_over()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Err(Broken::Panic));
    }
}

// === impl PipeReader ===

impl PipeReader {
    /// The next bytes; `None` is the clean end.
    ///
    /// # Errors
    /// The body is broken; nothing follows.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut state = self.0.state.lock();
        if let Some(bytes) = state.queue.pop_front() {
            let was_full = state.is_full();
            state.queued -= bytes.len();
            state.untouched = (!state.queue.is_empty()).then(Instant::now);
            if was_full || state.queue.is_empty() {
                self.0.flight.notify_one();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether everything that was handed over has been taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.0.state.lock().queue.is_empty()
    }

    /// How the body ends, if that is known already.
    #[must_use]
    pub fn end(&self) -> Option<Result<(), Broken>> {
        self.0.state.lock().end
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.gone = true;
        state.drain();
        self.0.flight.notify_one();
    }
}

// === impl State ===

impl State {
    fn is_full(&self) -> bool {
        self.queued >= WINDOW
    }

    fn is_over(&self) -> bool {
        self.gone || self.end.is_some()
    }

    fn drain(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
        self.untouched = None;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

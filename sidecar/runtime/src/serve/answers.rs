//! The requests of one connection that are in progress, and whether the peer reads their responses.

use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often answers under way are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is under way on one connection.
#[derive(Clone, Debug)]
pub(super) struct Answers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: watch::Sender<Now>,
    /// Since when the peer owes it to take more of an answer; none while it is the answer that has nothing to give.
    owed: Mutex<Vec<(u64, Option<Instant>)>>,
}

/// How many are under way, and since when there are some, or none.
#[derive(Clone, Copy, Debug)]
struct Now {
    count: usize,
    next: u64,
    since: Instant,
}

/// A request, from its head until its answer's body is dropped.
#[derive(Debug)]
pub(super) struct One {
    id: u64,
    answers: Answers,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            now: watch::Sender::new(Now {
                count: 0,
                next: 0,
                since: Instant::now(),
            }),
            owed: Mutex::default(),
        }))
    }

    /// One more.
    pub(super) fn begin(&self) -> One {
        let mut id = 0;
        self.0.now.send_modify(|now| {
            id = now.next;
            now.next += 1;
            now.count += 1;
            if now.count == 1 {
                now.since = Instant::now();
            }
        });
        One {
            id,
            answers: self.clone(),
        }
    }

    /// Since when none has been under way.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let now = *self.0.now.borrow();
        (now.count == 0).then_some(now.since)
    }

    /// Since when something has been under way without a pause.
    pub(super) fn busy_since(&self) -> Option<Instant> {
        let now = *self.0.now.borrow();
        (now.count > 0).then_some(now.since)
    }

    /// Resolves once none has been under way for so long.
    pub(super) async fn none_for(&self, time: Duration) {
        let mut now = self.0.now.subscribe();
        loop {
            // The sender is `self`: it cannot be gone.
            let _none = now.wait_for(|now| now.count == 0).await.is_ok();
            if tokio::time::timeout(time, now.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Resolves once an answer has been ready for so long and nothing of it was taken.
    pub(super) async fn left_lying(&self, time: Duration) {
        let mut now = self.0.now.subscribe();
        loop {
            let _some = now.wait_for(|now| now.count > 0).await.is_ok();
            tokio::time::sleep(LOOK.min(time)).await;
            let first = self
                .0
                .owed
                .lock()
                .iter()
                .filter_map(|(_, since)| *since)
                .min();
            if first.is_some_and(|since| since.elapsed() >= time) {
                return;
            }
        }
    }

    fn owes(&self, id: u64, owes: bool) {
        let since = owes.then(Instant::now);
        let mut owed = self.0.owed.lock();
        match owed.iter_mut().find(|(other, _)| *other == id) {
            Some((_, before)) => *before = since,
            None => owed.push((id, since)),
        }
    }
}

impl One {
    /// Its answer's body, from now on to be taken.
    pub(super) fn given<B>(self, body: B) -> Answer<B> {
        self.answers.owes(self.id, true);
        Answer { body, one: self }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let mut owed = self.answers.0.owed.lock();
        owed.retain(|(id, _)| *id != self.id);
        drop(owed);
        self.answers.0.now.send_modify(|now| {
            now.count -= 1;
            if now.count == 0 {
                now.since = Instant::now();
            }
        });
    }
}

/// The body of an answer that is under way.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    one: One,
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.one.answers.owes(this.one.id, frame.is_ready());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

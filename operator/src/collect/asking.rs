//! What the pods answer, once for all scrapes that wait for it.
//!
//! A scrape asks each pod at its arrival, and takes what has come when all have answered, or its time is up. Where another
//! scrape is waiting, it shares: a request under way to a pod that gives the pod as long, and is not older than the
//! scrape's own timeout, and an answer of the last second. So a pod has few requests at once, whoever scrapes: a scrape with a
//! short timeout takes no samples from one with a long timeout, and the latter keeps no other waiting.
//!
//! Scrapes that wait hold nothing of their own: the last answer of each pod is held once, for as long as anybody waits. A
//! pod that hangs costs a scrape time, and no memory however many wait for it.
//!
//! A pod that did not answer last time is waited for less long ([`PodTimes`]). Its request goes on meanwhile: what it needs is
//! to be known.

use crate::collect::fetch::{FetchError, PodAnswer, PodId, PodTarget};
use crate::collect::pod_times::{FAIR, PodTimes};
use futures::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tagalong_exposition::merge::FinishedSource;
use tagalong_exposition::negotiate::LONGEST;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// Pods that are asked at once and have not had a fair time: so those that do not answer hold up no others.
const ASKED_AT_ONCE: usize = 512;
/// Requests to one pod at once. The last is for all who come later, so it has as long as any of them may wait.
const REQUESTS: usize = 4;
/// An answer that was asked for so long before a scrape is as good as its own.
const FRESH: Duration = Duration::from_secs(1);

/// How one pod is asked, by this time.
pub(super) type Fetch = dyn Fn(PodTarget, Instant) -> BoxFuture<'static, Result<FinishedSource, FetchError>>
    + Send
    + Sync;

/// The time that a scrape has for the pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub arrived: Instant,
    pub deadline: Instant,
}

impl Times {
    pub(super) fn timeout(self) -> Duration {
        self.deadline.saturating_duration_since(self.arrived)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Asking(Arc<Inner>);

struct Inner {
    fetch: Box<Fetch>,
    places: Semaphore,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    waiting: usize,
    asked: u64,
    pods: HashMap<PodId, Pod>,
    times: PodTimes,
}

/// What is under way to one pod, and what came of it last.
#[derive(Default)]
struct Pod {
    requests: Vec<Request>,
    samples: Option<Came>,
    failure: Option<Came>,
}

struct Request {
    number: u64,
    times: Times,
    /// Whether it is to go on when nobody waits.
    alone: bool,
    /// Ends with the request.
    ended: watch::Receiver<()>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Came {
    asked: Instant,
    answer: Arc<PodAnswer>,
}

/// What a scrape waits for at one pod.
enum Share {
    Here,
    UnderWay(Times, watch::Receiver<()>),
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CameTo {
    All,
    /// Whoever made it may have had less time than others have.
    TooLate,
    /// Another request has its place.
    Nothing,
}

/// One scrape's pod.
pub(super) struct Want {
    target: PodTarget,
    id: PodId,
    /// What was asked for from then on is its answer.
    since: Mutex<Instant>,
}

/// A scrape that waits; what came is held for as long as there is one.
pub(super) struct Waiting(Asking);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.0.0.table.lock();
        table.waiting -= 1;
        if table.waiting == 0 {
            table.let_go();
        }
    }
}

impl Asking {
    pub(super) fn new(fetch: Box<Fetch>) -> Self {
        Self(Arc::new(Inner {
            fetch,
            places: Semaphore::new(ASKED_AT_ONCE),
            table: Mutex::default(),
        }))
    }

    /// To be held until what came has been taken.
    pub(super) fn waiting(&self) -> Waiting {
        self.0.table.lock().waiting += 1;
        Waiting(self.clone())
    }

    /// Asks them all, and returns when each has answered, or its time is up.
    pub(super) async fn all(&self, targets: Vec<PodTarget>, times: Times) -> Vec<Want> {
        let want = |target: PodTarget| Want {
            id: target.id(),
            target,
            since: Mutex::new(times.arrived),
        };
        let wants: Vec<Want> = targets.into_iter().map(want).collect();
        let ids: HashSet<&PodId> = wants.iter().map(|want| &want.id).collect();
        self.0.table.lock().retain(|id| ids.contains(id));
        futures::future::join_all(wants.iter().map(|want| self.one(want, times))).await;
        wants
    }

    /// What has come of it, in the wants' order.
    pub(super) fn taken(&self, wants: &[Want], arrived: Instant) -> Vec<Arc<PodAnswer>> {
        let table = self.0.table.lock();
        let took = arrived.elapsed();
        let none = |want: &Want| PodAnswer {
            target: want.target.clone(),
            took,
            source: Err(FetchError::Timeout),
        };
        let came = |want| table.came(want).map(|came| Arc::clone(&came.answer));
        let answer = |want| came(want).unwrap_or_else(|| Arc::new(none(want)));
        wants.iter().map(answer).collect()
    }

    /// When each answer was asked for that a scrape would take now.
    pub(super) fn asked_for(&self, wants: &[Want]) -> Vec<(PodId, Option<Instant>)> {
        let table = self.0.table.lock();
        let asked = |want: &Want| (want.id.clone(), table.came(want).map(|came| came.asked));
        wants.iter().map(asked).collect()
    }

    /// Whether a collection has what has come for a scrape, if each pod in it was asked at the time that `asked` tells, or
    /// has sent nothing.
    pub(super) fn have_come(
        &self,
        wants: &[Want],
        asked: impl Fn(&PodId) -> Option<Option<Instant>>,
    ) -> bool {
        let table = self.0.table.lock();
        wants.iter().all(|want| match asked(&want.id) {
            Some(Some(asked)) => asked >= *want.since.lock(),
            Some(None) => table.came(want).is_none(),
            None => false,
        })
    }

    async fn one(&self, want: &Want, times: Times) {
        let begun = Instant::now();
        let allowed = self.0.table.lock().times.allowed(&want.id);
        let until = allowed.map_or(times.deadline, |allowed| {
            times.deadline.min(begun + allowed)
        });
        let answered = async {
            let mut times = times;
            while let Share::UnderWay(its, mut ended) = self.share(want, times) {
                // Nothing is ever sent.
                let _ended = ended.changed().await;
                let came = self.0.table.lock().came_to(want);
                if came == CameTo::All || came == CameTo::TooLate && its.deadline >= times.deadline
                {
                    return;
                }
                times.arrived = Instant::now();
            }
        };
        if timeout_at(until, answered).await.is_err() {
            let had = until.saturating_duration_since(begun);
            self.0.table.lock().times.missed(&want.id, had);
        }
    }

    /// What a scrape waits for at a pod, which is asked if need be.
    fn share(&self, want: &Want, times: Times) -> Share {
        let mut guard = self.0.table.lock();
        let table = &mut *guard;
        let pod = table.pods.entry(want.id.clone()).or_default();
        let fresh = |came: &&Came| came.asked + FRESH >= times.arrived;
        if let Some(came) = pod.samples.as_ref().filter(fresh) {
            *want.since.lock() = came.asked;
            return Share::Here;
        }
        let timeout = times.timeout();
        let suits = |one: &&Request| {
            one.times.timeout() >= timeout && one.times.arrived + timeout >= times.arrived
        };
        if let Some(found) = pod.requests.iter().rev().find(suits) {
            *want.since.lock() = found.times.arrived;
            return Share::UnderWay(found.times, found.ended.clone());
        }
        let mut times = times;
        if pod.requests.len() == REQUESTS {
            // It has all the time there is, and does not suit: it is too old. Who waits for it goes on with the new one.
            pod.requests.pop();
        }
        if pod.requests.len() + 1 == REQUESTS {
            times.deadline = times.arrived + LONGEST;
        }
        table.asked += 1;
        let (number, alone) = (table.asked, table.times.allowed(&want.id).is_some());
        let (ends, ended) = watch::channel(());
        let task = self.ask(number, want.target.clone(), times);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ends = ends;
            task.await;
        }));
        *want.since.lock() = times.arrived;
        pod.requests.push(Request {
            number,
            times,
            alone,
            ended: ended.clone(),
            _task: task,
        });
        Share::UnderWay(times, ended)
    }

    /// Asks one pod.
    fn ask(
        &self,
        number: u64,
        target: PodTarget,
        times: Times,
    ) -> impl Future<Output = ()> + use<> {
        let inner = Arc::clone(&self.0);
        async move {
            let place = timeout_at(times.deadline, inner.places.acquire()).await;
            let begun = Instant::now();
            let fetching = (inner.fetch)(target.clone(), times.deadline);
            let mut fetching = AssertUnwindSafe(fetching).catch_unwind();
            let fetched = match timeout(FAIR, &mut fetching).await {
                Ok(fetched) => fetched,
                Err(_hangs) => {
                    drop(place);
                    fetching.await
                }
            };
            let answer = PodAnswer {
                took: begun.elapsed(),
                source: fetched.unwrap_or(Err(FetchError::Fault)),
                target,
            };
            inner.table.lock().came_of(number, times, answer);
        }
    }
}

impl Asking {
    /// How many wait.
    pub(super) fn waiting_for(&self) -> usize {
        self.0.table.lock().waiting
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let table = self.0.table.lock();
        let requests = table.pods.values().map(|pod| pod.requests.len()).sum();
        let samples = table.pods.values().filter(|pod| pod.samples.is_some());
        (requests, samples.count())
    }
}

impl Table {
    /// Nobody waits.
    fn let_go(&mut self) {
        self.pods.retain(|_, pod| {
            (pod.samples, pod.failure) = (None, None);
            pod.requests.retain(|request| request.alone);
            !pod.requests.is_empty()
        });
    }

    /// Forgets pods that are gone.
    fn retain(&mut self, is_there: impl Fn(&PodId) -> bool) {
        self.times.retain(&is_there);
        self.pods.retain(|id, _| is_there(id));
    }

    fn came(&self, want: &Want) -> Option<&Came> {
        let (pod, since) = (self.pods.get(&want.id)?, *want.since.lock());
        let mut both = pod.samples.iter().chain(&pod.failure);
        both.find(|came| came.asked >= since)
    }

    fn came_to(&self, want: &Want) -> CameTo {
        match self.came(want).map(|came| &came.answer.source) {
            None => CameTo::Nothing,
            Some(Err(failed)) if failed.for_want_of_time() => CameTo::TooLate,
            Some(_) => CameTo::All,
        }
    }

    fn came_of(&mut self, number: u64, times: Times, answer: PodAnswer) {
        let id = answer.target.id();
        match &answer.source {
            Ok(_) => self.times.answered(&id, answer.took),
            Err(failed) if failed.for_want_of_time() => self.times.missed(&id, answer.took),
            Err(_) => {}
        }
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.requests.retain(|request| request.number != number);
        if self.waiting == 0 {
            if pod.requests.is_empty() {
                self.pods.remove(&id);
            }
            return;
        }
        let asked = times.arrived;
        let last = if answer.source.is_ok() {
            &mut pod.samples
        } else {
            &mut pod.failure
        };
        if last.as_ref().is_none_or(|last| last.asked <= asked) {
            *last = Some(Came {
                asked,
                answer: Arc::new(answer),
            });
        }
    }
}

#[cfg(test)]
mod tests;

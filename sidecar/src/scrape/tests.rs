use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame};
use tagalong_exposition::Keep;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::kong::{KongError, SILENCE};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// A Kong that does what the test wants at each scrape.
struct Scripted<F> {
    scrapes: AtomicUsize,
    script: F,
}

enum Step {
    Data(Bytes),
    Break,
    Panic,
    /// Nothing more, and no end.
    Hang,
}

struct Steps(VecDeque<Step>);

impl<F> Upstream for Scripted<F>
where
    F: Fn(usize) -> Result<Vec<Step>, KongError> + Send + Sync + 'static,
{
    type Link = ();
    type Body = Steps;

    async fn connect(&self) -> Result<(), KongError> {
        Ok(())
    }

    async fn scrape(&self, (): ()) -> Result<(HeaderValue, Steps), KongError> {
        let at = self.scrapes.fetch_add(1, Relaxed);
        let steps = (self.script)(at)?;
        Ok((TEXT, Steps(steps.into())))
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(match self.0.pop_front() {
            None => None,
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Step::Break) => Some(Err("it broke")),
            Some(Step::Panic) => panic!("a bug"),
            Some(Step::Hang) => {
                self.0.push_front(Step::Hang);
                return Poll::Pending;
            }
        })
    }
}

fn scraper<F>(script: F) -> (Scraper<Scripted<F>>, Arc<Metrics>)
where
    F: Fn(usize) -> Result<Vec<Step>, KongError> + Send + Sync + 'static,
{
    let metrics = Arc::new(Metrics::default());
    let upstream = Scripted {
        scrapes: AtomicUsize::new(0),
        script,
    };
    (
        Scraper::new(
            upstream,
            TableHandle::default(),
            Arc::clone(&metrics),
            Arc::new(Summaries::new(1 << 20, Arc::clone(&metrics))),
        ),
        metrics,
    )
}

/// Without the sidecar's own families, so that a body is what went in.
const PLAIN: Want = Want {
    keep: Keep::All,
    gzip: false,
};

fn connection() -> ConnectionHandle {
    ConnectionHandle::default()
}

async fn ask<F>(scraper: &Scraper<Scripted<F>>) -> Result<PipeReader, ScrapeError>
where
    F: Fn(usize) -> Result<Vec<Step>, KongError> + Send + Sync + 'static,
{
    Ok(scraper.scrape(PLAIN, connection()).await?.body)
}

async fn next(reader: &mut PipeReader) -> Option<Result<Bytes, Broken>> {
    poll_fn(|cx| reader.poll_next(cx)).await
}

async fn read(mut reader: PipeReader) -> Result<usize, Broken> {
    let mut length = 0;
    while let Some(bytes) = next(&mut reader).await {
        length += bytes?.len();
    }
    Ok(length)
}

fn comments(count: usize, length: usize) -> Vec<Step> {
    let mut line = vec![b'#'; length];
    line[length - 1] = b'\n';
    let line = Bytes::from(line);
    (0..count).map(|_| Step::Data(line.clone())).collect()
}

#[tokio::test]
async fn a_panic_takes_its_own_flight_only() {
    let (scraper, metrics) = scraper(|at| match at {
        0 => panic!("a bug before the body"),
        1 => Ok(vec![Step::Data(Bytes::from("up 1\n")), Step::Panic]),
        _ => Ok(comments(1, 10)),
    });
    assert!(matches!(ask(&scraper).await, Err(ScrapeError::Panic)));
    let body = ask(&scraper).await.expect("a body");
    assert_eq!(read(body).await, Err(Broken::Panic));
    let body = ask(&scraper).await.expect("a body");
    assert!(read(body).await.expect("whole") > 10);
    assert_eq!(metrics.panics.load(Relaxed), 2);
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 3);
}

#[tokio::test]
async fn what_came_before_the_break_comes_first() {
    for gzip in [false, true] {
        let (scraper, _) = scraper(|_| {
            let mut steps = comments(4, 100_000);
            steps.push(Step::Break);
            Ok(steps)
        });
        let want = Want {
            keep: Keep::All,
            gzip,
        };
        let answer = scraper.scrape(want, connection()).await.expect("a body");
        assert_eq!(answer.content_type, TEXT);
        let mut body = answer.body;
        let mut length = 0;
        let end = loop {
            match next(&mut body).await.expect("no clean end") {
                Ok(bytes) => length += bytes.len(),
                Err(broken) => break broken,
            }
        };
        assert_eq!(end, Broken::Kong);
        assert!(gzip || length == 400_000, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_is_cut_off_when_grace_ends_and_not_before() {
    let (scraper, metrics) = scraper(|_| Ok(comments(64, 64 * 1024)));
    let line = connection();
    let (one, slow, two) = tokio::join!(
        ask(&scraper),
        scraper.scrape(PLAIN, line.clone()),
        ask(&scraper)
    );
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 1, "they share one");
    let mut slow = slow.expect("a body").body;
    let began = Instant::now();
    let (one, two) = tokio::join!(read(one.expect("a body")), read(two.expect("a body")));
    assert!(one.is_ok() && one == two, "{one:?} {two:?}");
    let held_up = began.elapsed();
    assert!(held_up >= GRACE && held_up < GRACE * 2, "{held_up:?}");
    assert_eq!(slow.end(), Some(Err(Broken::TooSlow)));
    assert_eq!(next(&mut slow).await, Some(Err(Broken::TooSlow)));
    tokio::time::timeout(Duration::ZERO, line.ended())
        .await
        .expect("its connection is to be closed");
}

/// Reads, and takes so long for each MiB.
async fn read_slowly(mut reader: PipeReader, mebibyte: Duration) -> Result<usize, Broken> {
    let mut length = 0;
    while let Some(bytes) = next(&mut reader).await {
        let bytes = bytes?.len();
        length += bytes;
        tokio::time::sleep(mebibyte.mul_f64(bytes as f64 / f64::from(1 << 20))).await;
    }
    Ok(length)
}

#[tokio::test(start_paused = true)]
async fn who_keeps_the_pace_gets_everything_however_fast_the_others_are() {
    let (scraper, _) = scraper(|_| Ok(comments(300, 1 << 20)));
    let (fast, steady, slow) = tokio::join!(ask(&scraper), ask(&scraper), ask(&scraper));
    let began = Instant::now();
    let (fast, steady, slow) = tokio::join!(
        read(fast.expect("a body")),
        // 50 MiB/s and 10 MiB/s, where `PACE` is 32.
        read_slowly(steady.expect("a body"), Duration::from_millis(20)),
        read_slowly(slow.expect("a body"), Duration::from_millis(100)),
    );
    assert!(fast.is_ok() && fast == steady, "{fast:?} {steady:?}");
    assert_eq!(slow, Err(Broken::TooSlow));
    assert!(began.elapsed() > GRACE * 5);
}

#[tokio::test(start_paused = true)]
async fn who_is_alone_may_stand_still_until_somebody_waits() {
    let (scraper, metrics) = scraper(|_| Ok(comments(64, 64 * 1024)));
    let slow = ask(&scraper).await.expect("a body");
    tokio::time::sleep(GRACE * 100).await;
    assert_eq!(slow.end(), None);
    let began = Instant::now();
    let body = ask(&scraper).await.expect("a body");
    let waited = began.elapsed();
    assert!(waited < GRACE / 10, "{waited:?}");
    assert!(read(body).await.is_ok());
    assert_eq!(slow.end(), Some(Err(Broken::TooSlow)));
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_just_stopped_has_the_rest_of_its_time_and_who_goes_on_gets_everything() {
    let (scraper, _) = scraper(|_| Ok(comments(64, 64 * 1024)));
    let pauses = ask(&scraper).await.expect("a body");
    tokio::time::sleep(GRACE / 4).await;
    let (pauses, other) = tokio::join!(
        async {
            tokio::time::sleep(GRACE / 2).await;
            read(pauses).await
        },
        async { read(ask(&scraper).await.expect("a body")).await },
    );
    assert!(pauses.is_ok() && pauses == other, "{pauses:?} {other:?}");
}

/// Reads so many bytes, and then no more.
async fn read_until(reader: &mut PipeReader, length: usize) {
    let mut read = 0;
    while read < length {
        match next(reader).await {
            Some(Ok(bytes)) => read += bytes.len(),
            _ => return,
        }
    }
}

/// How long a reader takes that shares its scrape with those who stop after so many bytes.
async fn beside_those_who_stop_at(lengths: impl Iterator<Item = usize>) -> Duration {
    let (scraper, metrics) = scraper(|_| Ok(comments(1024, 8 * 1024)));
    let scraper = Arc::new(scraper);
    let mut stopping = JoinSet::new();
    for length in lengths {
        let scraper = Arc::clone(&scraper);
        stopping.spawn(async move {
            let mut stops = ask(&scraper).await.expect("a body");
            read_until(&mut stops, length).await;
            // Held, and not read.
            std::future::pending::<()>().await;
            drop(stops);
        });
    }
    let body = ask(&scraper).await.expect("a body");
    let began = Instant::now();
    assert!(read(body).await.is_ok());
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 1, "they share one");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn those_who_stop_at_about_the_same_place_stand_still_at_the_same_time() {
    let places = (0..60).map(|at| at * 1536);
    let took = beside_those_who_stop_at(places).await;
    assert!(took < GRACE * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_stop_one_after_another_leave_the_others_time_for_a_whole_scrape() {
    let places = (0..60).map(|at| at * 128 * 1024);
    let took = beside_those_who_stop_at(places).await;
    assert!(took < GRACE * 8, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kong_that_says_nothing_more_is_given_up_and_not_before() {
    let (scraper, metrics) = scraper(|at| {
        let mut steps = comments(1, 10);
        if at == 0 {
            steps.push(Step::Hang);
        }
        Ok(steps)
    });
    let hung = ask(&scraper).await.expect("a body");
    drop(hung);
    let began = Instant::now();
    let body = ask(&scraper).await.expect("a body");
    let waited = began.elapsed();
    assert!(waited >= SILENCE && waited < SILENCE * 2, "{waited:?}");
    assert!(read(body).await.is_ok());
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 2);
}

#[tokio::test]
async fn a_seat_given_back_is_not_flown() {
    let (scraper, metrics) = scraper(|_| Ok(comments(1, 10)));
    {
        // Dropped before the flight's task runs at all.
        let mut asking = Box::pin(ask(&scraper));
        let polled = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    tokio::task::yield_now().await;
    assert_eq!(metrics.kong_scrapes.load(Relaxed), 0);
    assert!(ask(&scraper).await.is_ok());
}

#[tokio::test]
async fn an_error_of_kongs_is_everybodys() {
    let (scraper, _) = scraper(|_| Err(KongError::Status("u".into(), http::StatusCode::NOT_FOUND)));
    let (one, two) = tokio::join!(ask(&scraper), ask(&scraper));
    for answer in [one, two] {
        assert!(matches!(
            answer,
            Err(ScrapeError::Kong(KongError::Status(..)))
        ));
    }
}

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const SECOND: Duration = Duration::from_secs(1);

/// Flights that need as long as they may.
#[derive(Clone, Default)]
struct Sky {
    flights: Arc<Flights>,
    begun: Arc<AtomicUsize>,
}

impl Sky {
    async fn take(&self, seconds: u32) -> Option<Flight> {
        let begun = Arc::clone(&self.begun);
        let begin = move |times: Times| {
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep_until(times.deadline).await;
                Merger::default()
            }
        };
        self.flights.take(seconds * SECOND, begin).await
    }

    /// One that somebody waits for, and has what came of it.
    fn scrape(&self, seconds: u32) -> tokio::task::JoinHandle<Option<Collection>> {
        let sky = self.clone();
        tokio::spawn(async move {
            let flight = sky.take(seconds).await?;
            Some(Arc::unwrap_or_clone(flight.await))
        })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn the_equally_patient_share_to_the_end() {
    let sky = Sky::default();
    let first = sky.scrape(10);
    tokio::time::sleep(9 * SECOND).await;
    let second = sky.scrape(10);
    assert!(first.await.expect("no panic").is_some());
    assert!(second.await.expect("no panic").is_some());
    assert_eq!(sky.begun(), 1);
    let _third = sky.take(10).await;
    assert_eq!(sky.begun(), 2, "what has ended is no longer shared");
}

#[tokio::test(start_paused = true)]
async fn none_loses_by_anothers_patience_or_the_lack_of_it() {
    let sky = Sky::default();
    let _patient = sky.take(30).await.expect("a permit");
    tokio::time::sleep(SECOND).await;
    let _impatient = sky.take(10).await.expect("a permit");
    assert_eq!(sky.begun(), 2, "the first would have kept it waiting");
    tokio::time::sleep(SECOND).await;
    let _middling = sky.take(20).await.expect("a permit");
    assert_eq!(sky.begun(), 3, "the second would have given pods less time");
    tokio::time::sleep(20 * SECOND).await;
    let _late = sky.take(10).await.expect("a permit");
    assert_eq!(sky.begun(), 3, "the first ends soon, and began early");
}

#[tokio::test(start_paused = true)]
async fn room_is_taken_until_all_has_been_read() {
    let sky = Sky::default();
    let mut held = Vec::new();
    for seconds in 1..=AT_ONCE {
        let seconds = u32::try_from(seconds).expect("a few");
        held.push(sky.scrape(seconds).await.expect("no panic"));
    }
    assert_eq!(sky.flights.free(), 0);
    let begin = Instant::now();
    assert!(sky.take(10).await.is_none(), "all of them are still held");
    assert_eq!(begin.elapsed().as_secs(), 5, "half of its time");
    let waits = sky.scrape(10);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(sky.begun(), AT_ONCE);
    let shared = held.pop().expect("it is held").clone();
    tokio::time::sleep(SECOND).await;
    assert_eq!(sky.begun(), AT_ONCE, "a copy holds it, too");
    drop(shared);
    assert!(waits.await.expect("no panic").is_some());
    assert_eq!(sky.begun(), AT_ONCE + 1);
    drop(held);
    assert_eq!(sky.flights.free(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_shares_what_another_then_begins() {
    let sky = Sky::default();
    let held = [sky.take(60).await, sky.take(59).await, sky.take(58).await];
    assert_eq!(sky.begun(), AT_ONCE);
    let waiting: Vec<_> = (0..10).map(|_| sky.scrape(10)).collect();
    tokio::time::sleep(2 * SECOND).await;
    drop(held);
    for one in waiting {
        assert!(one.await.expect("no panic").is_some());
    }
    assert_eq!(sky.begun(), AT_ONCE + 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_and_it_ends() {
    let sky = Sky::default();
    let flight = sky.take(60).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(sky.flights.free(), AT_ONCE - 1);
    drop(flight);
    tokio::time::sleep(SECOND).await;
    assert_eq!(sky.flights.free(), AT_ONCE);
}

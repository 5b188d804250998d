use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Reads so many bytes a second until it is ended.
fn reads(permit: Permit, a_second: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let connection = ConnectionHandle::default();
        permit.by(connection.clone());
        let reading = async {
            loop {
                tokio::time::sleep(SECOND).await;
                permit.read(a_second);
            }
        };
        tokio::select! {
            () = reading => {}
            () = connection.ended() => {}
        }
    })
}

async fn full(readers: &Readers) -> [tokio::task::JoinHandle<()>; AT_ONCE] {
    let rates = [1_000, 1_000_000];
    let all = rates.map(|rate| reads(readers.free().expect("a permit"), rate));
    tokio::task::yield_now().await;
    assert!(readers.free().is_none());
    all
}

#[tokio::test(start_paused = true)]
async fn the_slowest_gives_way_after_a_fair_time() {
    let readers = Readers::default();
    let [slow, fast] = full(&readers).await;
    let begin = Instant::now();
    let permit = readers.permit(begin + 9 * SECOND).await;
    assert!(permit.is_some());
    assert_eq!(begin.elapsed(), FAIR);
    assert!(slow.is_finished() && !fast.is_finished());
    // That one is the slowest now, and has had its time, but what has just begun has not.
    let _next = readers.permit(Instant::now() + 9 * SECOND).await;
    assert!(fast.is_finished());
    assert_eq!(begin.elapsed(), FAIR + WAITS);
    assert!(permit.is_some_and(|permit| Arc::strong_count(&permit) == 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_way_to_one_that_cannot_wait_for_it() {
    let readers = Readers::default();
    let all = full(&readers).await;
    let permit = readers.permit(Instant::now() + FAIR - SECOND).await;
    assert!(permit.is_none());
    assert!(all.iter().all(|one| !one.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_way_while_there_is_a_permit() {
    let readers = Readers::default();
    let slow = reads(readers.free().expect("a permit"), 1);
    tokio::time::sleep(60 * SECOND).await;
    let permit = readers.permit(Instant::now() + SECOND).await;
    assert!(permit.is_some() && !slow.is_finished());
    assert_eq!(readers.left(), 0);
    drop(permit);
    assert_eq!(readers.left(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_long_lets_nobody_behind_it_wait_as_long() {
    let readers = Readers::default();
    let [slow, _fast] = full(&readers).await;
    let begin = Instant::now();
    let permit = readers.permit(begin + 100 * SECOND).await;
    assert!(permit.is_some() && slow.is_finished());
    assert!(begin.elapsed() <= FAIR, "{:?}", begin.elapsed());
}

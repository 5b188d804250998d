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

async fn begins(readers: &Readers) -> Permit {
    let room = readers.room(Instant::now()).await;
    readers.begin(room.expect("there is room"))
}

async fn full(readers: &Readers) -> Vec<tokio::task::JoinHandle<()>> {
    let mut all = Vec::new();
    for rate in [1_000, 10_000_000, 1_000_000] {
        all.push(reads(begins(readers).await, rate));
    }
    assert_eq!(all.len(), AT_ONCE);
    tokio::task::yield_now().await;
    assert_eq!(readers.left(), 0);
    all
}

#[tokio::test(start_paused = true)]
async fn the_slowest_gives_way_after_a_fair_time() {
    let readers = Readers::default();
    let all = full(&readers).await;
    let begin = Instant::now();
    let room = readers.room(begin + 9 * SECOND).await;
    assert_eq!(begin.elapsed(), FAIR);
    let ended: Vec<_> = all.iter().map(|one| one.is_finished()).collect();
    assert_eq!(ended, [true, false, false]);
    let _new = readers.begin(room.expect("there is room"));
    // What has just begun is slower than all, and has not had its time.
    let _next = readers.room(Instant::now() + 9 * SECOND).await;
    assert_eq!(begin.elapsed(), FAIR + WAITS);
    let ended: Vec<_> = all.iter().map(|one| one.is_finished()).collect();
    assert_eq!(ended, [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_way_to_one_that_cannot_wait_for_it() {
    let readers = Readers::default();
    let all = full(&readers).await;
    let room = readers.room(Instant::now() + FAIR - SECOND).await;
    assert!(room.is_none());
    assert!(all.iter().all(|one| !one.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_way_while_there_is_room() {
    let readers = Readers::default();
    let slow = reads(begins(&readers).await, 1);
    tokio::time::sleep(60 * SECOND).await;
    let room = readers.room(Instant::now() + SECOND).await;
    assert!(room.is_some() && !slow.is_finished());
    assert_eq!(readers.left(), AT_ONCE - 2);
    drop(room);
    assert_eq!(readers.left(), AT_ONCE - 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_long_lets_nobody_behind_it_wait_as_long() {
    let readers = Readers::default();
    let all = full(&readers).await;
    let begin = Instant::now();
    let room = readers.room(begin + 100 * SECOND).await;
    assert!(room.is_some() && all[0].is_finished());
    assert!(begin.elapsed() <= FAIR, "{:?}", begin.elapsed());
}

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Reads so many bytes a second until it is ended.
fn reads(permit: Permit, a_second: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let connection = ConnectionHandle::default();
        let reader = permit.by(connection.clone());
        drop(permit);
        let reading = async {
            loop {
                tokio::time::sleep(SECOND / 10).await;
                reader.read(a_second / 10);
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

/// Whoever reads nothing keeps nobody waiting, and whoever has read its answer is another's reader no more.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_on_gives_way_at_once() {
    let readers = Readers::default();
    let permit = begins(&readers).await;
    let (done, stalls) = (ConnectionHandle::default(), ConnectionHandle::default());
    drop(permit.by(done.clone()));
    let stalled = permit.by(stalls.clone());
    drop(permit);
    // Stalled as well, and shared with one that reads.
    let shared = begins(&readers).await;
    let _beside = shared.by(ConnectionHandle::default());
    let reads_on = reads(Arc::clone(&shared), 1_000_000);
    drop(shared);
    let other = reads(begins(&readers).await, 1_000_000);
    tokio::time::sleep(SECOND).await;
    let begin = Instant::now();
    let ended = async {
        stalls.ended().await;
        drop(stalled);
    };
    let (room, ()) = tokio::join!(readers.room(begin + 9 * SECOND), ended);
    assert!(room.is_some());
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let still_open = tokio::time::timeout(SECOND / 10, done.ended()).await;
    assert!(still_open.is_err(), "it brings something else by now");
    assert!(!reads_on.is_finished() && !other.is_finished());
}

/// What is gathered for others who have not begun to read it is not theirs to give.
#[tokio::test(start_paused = true)]
async fn what_nobody_reads_yet_is_not_taken() {
    let readers = Readers::default();
    let mut waits = Vec::new();
    for _ in 0..AT_ONCE {
        waits.push(begins(&readers).await);
    }
    let begin = Instant::now();
    assert!(readers.room(begin + 9 * SECOND).await.is_none());
    assert_eq!(begin.elapsed(), 9 * SECOND);
    let connection = ConnectionHandle::default();
    let _reader = waits[0].by(connection.clone());
    let open = tokio::time::timeout(SECOND / 10, connection.ended()).await;
    assert!(open.is_err());
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

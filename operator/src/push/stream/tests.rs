use super::*;
use http_body_util::BodyExt;
use tagalong_runtime::drain;
use tokio::task::JoinHandle;

struct Open {
    lines: LabelStream,
    work: JoinHandle<End>,
    updates: broadcast::Sender<Update>,
    gone: CancellationToken,
    connection: ConnectionHandle,
    trigger: drain::Trigger,
}

fn opened(waiting: usize) -> Open {
    let (updates, receiver) = broadcast::channel(waiting);
    let (gone, connection) = (CancellationToken::new(), ConnectionHandle::default());
    let (trigger, drain) = drain::channel();
    let subscription = Subscription {
        snapshot: update(7, "snapshot\n"),
        updates: receiver,
        gone: gone.clone(),
    };
    let (lines, work) = open(subscription, connection.clone(), drain);
    Open {
        lines,
        work: tokio::spawn(work),
        updates,
        gone,
        connection,
        trigger,
    }
}

fn update(version: u64, line: &'static str) -> Update {
    Update {
        version,
        line: Bytes::from_static(line.as_bytes()),
    }
}

async fn next(lines: &mut LabelStream) -> Option<String> {
    let frame = lines.frame().await?.expect("infallible");
    let data = frame.into_data().expect("no trailers");
    Some(String::from_utf8(data.to_vec()).expect("text"))
}

#[tokio::test(start_paused = true)]
async fn snapshot_changes_heartbeats() {
    let mut open = opened(8);
    assert_eq!(next(&mut open.lines).await.as_deref(), Some("snapshot\n"));
    open.updates.send(update(8, "delta\n")).expect("subscribed");
    assert_eq!(next(&mut open.lines).await.as_deref(), Some("delta\n"));
    let before = tokio::time::Instant::now();
    let beat = next(&mut open.lines).await.expect("a line");
    assert_eq!(beat, "{\"type\":\"HEARTBEAT\",\"version\":8}\n");
    assert_eq!(tokio::time::Instant::now() - before, HEARTBEAT_INTERVAL);
}

#[tokio::test(start_paused = true)]
async fn ends_with_the_pod_and_with_the_process() {
    let mut open = opened(8);
    assert!(next(&mut open.lines).await.is_some());
    open.gone.cancel();
    assert_eq!(next(&mut open.lines).await, None);
    assert_eq!(open.work.await.expect("no panic"), End::PodGone);

    let mut open = opened(8);
    assert!(next(&mut open.lines).await.is_some());
    assert!(open.trigger.drain(Duration::from_secs(1)).await);
    assert_eq!(next(&mut open.lines).await, None);
    assert_eq!(open.work.await.expect("no panic"), End::Drained);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_forgotten() {
    let open = opened(8);
    drop(open.lines);
    assert_eq!(open.work.await.expect("no panic"), End::Left);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_dropped_and_hung_up_on() {
    let open = opened(2);
    let begun = tokio::time::Instant::now();
    for version in 8..100 {
        tokio::task::yield_now().await;
        if open.updates.send(update(version, "delta\n")).is_err() {
            break;
        }
    }
    assert_eq!(open.work.await.expect("no panic"), End::Slow);
    open.connection.ended().await;
    assert!(tokio::time::Instant::now() - begun <= SLOW + HEARTBEAT_INTERVAL);
    drop(open.lines);
}

/// Too slow for the changes, though not too slow to read: it must not go on with a gap.
#[tokio::test(start_paused = true)]
async fn who_lags_behind_is_dropped_too() {
    let mut open = opened(2);
    for version in 8..20 {
        tokio::task::yield_now().await;
        open.updates
            .send(update(version, "delta\n"))
            .expect("subscribed");
    }
    let mut read = 0;
    while next(&mut open.lines).await.is_some() {
        read += 1;
        assert!(read <= 2 * WAITING, "it goes on");
    }
    assert_eq!(open.work.await.expect("no panic"), End::Slow);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_find_out_who_does_not_read() {
    let open = opened(2);
    assert_eq!(open.work.await.expect("no panic"), End::Slow);
    drop((open.lines, open.updates));
}

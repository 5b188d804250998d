use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::{BUDGET, INTERVAL, Intake, LARGEST, SLOW_INTERVALS, TIMEOUT, USUAL, Unread};

/// A body: so many bytes, each lot after so long.
pub(crate) struct Sent {
    announced: Option<usize>,
    lots: VecDeque<(Duration, usize)>,
    end: End,
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
pub(crate) enum End {
    Never,
    Broken,
    Proper,
}

impl Sent {
    pub(crate) fn new(
        announced: Option<usize>,
        lots: impl IntoIterator<Item = (Duration, usize)>,
        end: End,
    ) -> Self {
        let lots = lots.into_iter().collect();
        Self {
            announced,
            lots,
            end,
            pause: None,
        }
    }

    /// Announces its true length, and sends all of it at once.
    fn at_once(length: usize) -> Self {
        Self::new(Some(length), lots(length, Duration::ZERO), End::Proper)
    }

    /// Sends a part of what it announces, and then nothing.
    fn stalls(announced: usize, sent: usize) -> Self {
        Self::new(Some(announced), lots(sent, Duration::ZERO), End::Never)
    }
}

/// So many bytes as a network brings them: 16 KiB at a time.
fn lots(length: usize, pause: Duration) -> impl Iterator<Item = (Duration, usize)> {
    (0..length.div_ceil(16 << 10)).map(move |at| (pause, (16 << 10).min(length - at * (16 << 10))))
}

impl Body for Sent {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(&(after, length)) = self.lots.front() else {
            return match self.end {
                End::Never => Poll::Pending,
                End::Broken => Poll::Ready(Some(Err("cut off"))),
                End::Proper => Poll::Ready(None),
            };
        };
        if !after.is_zero() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(after)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        self.lots.pop_front();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; length])))))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced
            .map(|length| SizeHint::with_exact(length as u64))
            .unwrap_or_default()
    }
}

/// How many bytes came.
async fn read(intake: &Intake, body: Sent) -> Result<usize, Unread> {
    let review = intake.read(body).await?;
    assert!(
        review.bytes.capacity() <= review.taken,
        "what is taken is what there is"
    );
    Ok(review.bytes().len())
}

/// So many bodies at once, all of them under way.
async fn many(
    intake: &Arc<Intake>,
    count: usize,
    body: impl Fn() -> Sent,
) -> Vec<JoinHandle<Result<usize, Unread>>> {
    let one = |body| {
        let intake = Arc::clone(intake);
        tokio::spawn(async move { read(&intake, body).await })
    };
    let all = (0..count).map(|_| one(body())).collect();
    sleep(Duration::from_millis(1)).await;
    all
}

async fn all_are_late(bodies: Vec<JoinHandle<Result<usize, Unread>>>) {
    for body in bodies {
        let read = body.await.expect("no panic");
        assert!(matches!(read, Err(Unread::Late)), "{read:?}");
    }
}

fn is_free(intake: &Intake) {
    for room in [&intake.usual, &intake.large] {
        assert_eq!(room.shares.available_permits(), BUDGET as usize);
        assert_eq!(room.last.available_permits(), 1);
        assert!(!room.is_short());
    }
}

#[tokio::test(start_paused = true)]
async fn who_announces_much_and_sends_little_holds_nobody_up() {
    let intake = Arc::new(Intake::new());
    let silent = many(&intake, 500, || Sent::stalls(LARGEST, 1)).await;
    let begun = Instant::now();
    for length in [1, 20 << 10, USUAL, USUAL + 1, LARGEST] {
        let read = read(&intake, Sent::at_once(length)).await;
        assert_eq!(read.expect("it is read"), length);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    all_are_late(silent).await;
    assert!(begun.elapsed() <= INTERVAL * SLOW_INTERVALS);
    is_free(&intake);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_that_stall_take_no_usual_ones_room_and_make_way_for_large_ones() {
    let intake = Arc::new(Intake::new());
    let stalled = many(&intake, 20, || Sent::stalls(LARGEST, 1 << 20)).await;
    assert!(intake.large.is_short());
    let begun = Instant::now();
    for _ in 0..100 {
        let read = read(&intake, Sent::at_once(USUAL)).await;
        assert_eq!(read.expect("it is read"), USUAL);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let large = read(&intake, Sent::at_once(LARGEST)).await;
    assert_eq!(large.expect("it is read"), LARGEST);
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    all_are_late(stalled).await;
    is_free(&intake);
}

#[tokio::test(start_paused = true)]
async fn usual_bodies_that_stall_make_way_when_others_wait() {
    let intake = Arc::new(Intake::new());
    let stalled = many(&intake, 24, || Sent::stalls(USUAL, USUAL - 1)).await;
    let begun = Instant::now();
    // The first takes the last room, so none waits. Then they do.
    let two = [20 << 10, 30 << 10].map(|length| {
        let intake = Arc::clone(&intake);
        tokio::spawn(async move {
            let slowly = lots(length, Duration::from_millis(50));
            read(&intake, Sent::new(Some(length), slowly, End::Proper)).await
        })
    });
    for body in two {
        body.await.expect("no panic").expect("it is read");
    }
    assert!(begun.elapsed() <= 2 * INTERVAL, "{:?}", begun.elapsed());
    all_are_late(stalled).await;
    is_free(&intake);
}

/// Each has a part of the room, and none the whole of what it needs.
#[tokio::test(start_paused = true)]
async fn bodies_that_wait_for_each_other_come_to_an_end() {
    for length in [LARGEST, USUAL] {
        let intake = Arc::new(Intake::new());
        let pause = Duration::from_millis(1);
        let count = 100 << 20 >> length.ilog2();
        let bodies = many(&intake, count, || {
            Sent::new(Some(length), lots(length, pause), End::Proper)
        });
        let bodies = bodies.await;
        let mut ended = 0;
        for body in bodies {
            ended += usize::from(body.await.expect("no panic").is_ok());
        }
        // One after the other they are more than there is time for: 256 ms each of 4 MiB, 16 ms each of the usual ones.
        let serial = TIMEOUT.as_millis() / (pause.as_millis() * (length >> 14) as u128);
        assert!(ended as u128 >= serial * 3 / 4, "{ended} of {count}");
        is_free(&intake);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_too_slowly_is_ended() {
    let intake = Intake::new();
    let trickle = |length| {
        let lots = std::iter::repeat_n((Duration::from_millis(100), length), 20);
        Sent::new(Some(20 * length), lots, End::Proper)
    };
    let begun = Instant::now();
    let slow = read(&intake, trickle(1 << 10)).await;
    assert!(matches!(slow, Err(Unread::Late)), "{slow:?}");
    assert_eq!(begun.elapsed(), INTERVAL * SLOW_INTERVALS);
    let slow_but_enough = read(&intake, trickle(8 << 10)).await;
    assert_eq!(slow_but_enough.expect("it is read"), 160 << 10);
    is_free(&intake);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_awaited_for_longer_than_the_api_server_waits() {
    let intake = Intake::new();
    let endless = lots(LARGEST, Duration::from_millis(100));
    let begun = Instant::now();
    let endless = read(&intake, Sent::new(None, endless, End::Never)).await;
    assert!(matches!(endless, Err(Unread::Late)), "{endless:?}");
    assert_eq!(begun.elapsed(), TIMEOUT);
    is_free(&intake);
}

#[tokio::test]
async fn a_body_is_cut_at_the_limit_and_one_that_breaks_off_says_so() {
    let intake = Intake::new();
    let announced = read(&intake, Sent::stalls(LARGEST + 1, 1)).await;
    assert!(matches!(announced, Err(Unread::TooLarge)), "{announced:?}");
    let unannounced = lots(LARGEST + 1, Duration::ZERO);
    let unannounced = read(&intake, Sent::new(None, unannounced, End::Never)).await;
    assert!(matches!(unannounced, Err(Unread::TooLarge)));
    let broken = Sent::new(None, lots(1, Duration::ZERO), End::Broken);
    let broken = read(&intake, broken).await.expect_err("it broke");
    assert_eq!(broken.to_string(), "the review broke off: cut off");
    is_free(&intake);
}

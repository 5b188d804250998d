//! One scrape of Kong and those who share it.

use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tagalong_exposition::{AmbiguousNames, Keep, Unobserved};
use tagalong_runtime::serve::ConnectionHandle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::grace::{Grace, StandStill};
use super::gzip::Gzip;
use super::pipe::{Broken, Writer, pipe};
use super::queue::Shared;
use super::render::Rendering;
use super::request::{ScrapeAnswer, ScrapeError, Seat};
use super::upstream::Upstream;
use crate::kong::{KongError, SILENCE, discard};
use crate::metrics::{self, Metrics};
use crate::summary::Watch;
use crate::table::ActiveTable;

/// What is handed out at once, in bytes, if Kong has sent enough: fewer and larger writes.
const PIECE: usize = 32 * 1024;

const GIVEN_UP: &str = "everybody who waited has given up before Kong answered";

/// Scrapes once for all seats. Ends when Kong has, whoever is left: another scrape must not run beside it.
pub(super) async fn fly<U: Upstream>(shared: Arc<Shared<U>>, mut seats: Vec<Seat>) {
    let link = tokio::select! {
        link = shared.upstream.connect() => link,
        () = abandoned(&mut seats) => {
            shared.failed(GIVEN_UP);
            return;
        }
    };
    let asked = Instant::now();
    let answer = match link {
        Ok(link) => match ask(&shared, link, &mut seats).await {
            Some(answer) => answer,
            None => return,
        },
        Err(error) => Err(error),
    };
    match answer {
        Err(error) => {
            shared.failed(&error.to_string());
            for seat in seats {
                // Who does not listen any more needs no answer.
                let _ = seat.answer.send(Err(ScrapeError::Kong(error.clone())));
            }
        }
        Ok((content_type, body)) => {
            Flight::board(shared, &content_type, seats, asked)
                .stream(body)
                .await;
        }
    }
}

/// Asks, and waits until the body begins; none if everybody has left by then, and the body is read and gone.
async fn ask<U: Upstream>(
    shared: &Shared<U>,
    link: U::Link,
    seats: &mut [Seat],
) -> Option<Result<(HeaderValue, U::Body), KongError>> {
    let mut asking = pin!(shared.upstream.scrape(link));
    tokio::select! {
        answer = &mut asking => return Some(answer),
        () = abandoned(seats) => shared.failed(GIVEN_UP),
    };
    if let Ok(Ok((_, body))) = tokio::time::timeout(SILENCE, asking).await {
        discard(body).await;
    }
    None
}

/// The next frame, if it is there already.
async fn if_ready<B>(body: &mut B) -> Option<Option<Result<Frame<Bytes>, B::Error>>>
where
    B: Body<Data = Bytes> + Unpin,
{
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits until everybody has gone before there was an answer.
async fn abandoned(seats: &mut [Seat]) {
    poll_fn(|cx| {
        let mut left = false;
        for seat in &mut *seats {
            left |= seat.answer.poll_closed(cx).is_pending();
        }
        if left { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

struct Flight<U> {
    shared: Arc<Shared<U>>,
    /// One table from the first line to the last.
    table: Arc<ActiveTable>,
    /// Whether the sidecar's own families may follow: not behind the `# EOF` of OpenMetrics.
    own: bool,
    /// What passes on the first side also goes into a summary.
    watch: Option<Watch>,
    sides: Vec<Side>,
    stand_still: StandStill,
    wake: Arc<Notify>,
}

/// One selection of samples and its readers.
struct Side {
    keep: Keep,
    rendering: Rendering,
    /// There if somebody wants it compressed.
    gzip: Option<Gzip>,
    readers: Vec<Passenger>,
}

struct Passenger {
    /// Whether [`Side::gzip`] serves it, and not the flight itself.
    gzip: bool,
    writer: Arc<Writer>,
    grace: Grace,
    /// Whether it was full when the flight last waited for room.
    full: bool,
    connection: ConnectionHandle,
}

impl<U: Upstream> Flight<U> {
    fn board(
        shared: Arc<Shared<U>>,
        content_type: &HeaderValue,
        seats: Vec<Seat>,
        asked: Instant,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let (mut all, mut enriched) = (Vec::new(), Vec::new());
        for seat in seats {
            let (writer, body) = pipe(&wake);
            let content_type = content_type.clone();
            if seat
                .answer
                .send(Ok(ScrapeAnswer { content_type, body }))
                .is_ok()
            {
                let readers = match seat.want.keep {
                    Keep::All => &mut all,
                    Keep::Enriched => &mut enriched,
                };
                readers.push(Passenger {
                    gzip: seat.want.gzip,
                    writer: Arc::new(writer),
                    grace: Grace::new(),
                    full: false,
                    connection: seat.connection,
                });
            }
        }
        let sides = [(Keep::All, all), (Keep::Enriched, enriched)]
            .into_iter()
            .filter(|(_, readers)| !readers.is_empty())
            .map(|(keep, readers)| Side::new(keep, readers, &shared.metrics))
            .collect();
        let text = content_type.to_str().unwrap_or_default().trim_start();
        let openmetrics = text
            .to_ascii_lowercase()
            .starts_with("application/openmetrics-text");
        let table = shared.tables.load_full();
        let watch = shared.summaries.begin(asked, table.version.is_some());
        Self {
            table,
            watch,
            own: !openmetrics,
            shared,
            sides,
            stand_still: StandStill::new(),
            wake,
        }
    }

    async fn stream(mut self, mut body: U::Body) {
        while self.room().await {
            let unread = self.readers().next().is_none();
            let mut next = tokio::select! {
                frame = body.frame() => Some(frame),
                // A reader has taken something or gone.
                () = self.wake.notified() => continue,
                // Who reads has a timeout of his own.
                () = tokio::time::sleep(SILENCE), if unread => break,
            };
            while let Some(frame) = next {
                match frame {
                    Some(Ok(frame)) => {
                        if let Ok(chunk) = frame.into_data() {
                            self.render(&chunk);
                        }
                    }
                    Some(Err(error)) => {
                        self.hand_out().await;
                        self.break_off(&error);
                        return;
                    }
                    None => {
                        self.finish().await;
                        return;
                    }
                }
                next = if self.has_piece() {
                    None
                } else {
                    if_ready(&mut body).await
                };
            }
            self.hand_out().await;
        }
        self.count_samples();
        discard(body).await;
    }

    fn render(&mut self, chunk: &[u8]) {
        let labels = &self.table.labels;
        let mut watch = self.watch.as_ref();
        for side in &mut self.sides {
            let rendering = &mut side.rendering;
            match watch.take() {
                Some(watch) => watch.show(|ledger| rendering.push(labels, chunk, ledger)),
                None => rendering.push(labels, chunk, &mut Unobserved),
            }
        }
    }

    fn has_piece(&self) -> bool {
        self.sides.iter().any(|side| side.rendering.len() >= PIECE)
    }

    async fn hand_out(&mut self) {
        for side in &mut self.sides {
            side.hand_out().await;
        }
    }

    async fn finish(&mut self) {
        self.shared.went_well();
        let (metrics, table, own) = (&self.shared.metrics, &self.table, self.own);
        for (at, side) in self.sides.iter_mut().enumerate() {
            let keep = side.keep;
            let write = |stats, ambiguous: &AmbiguousNames, out: &mut Vec<u8>| {
                if at == 0 {
                    metrics.samples(stats);
                }
                if own && keep == Keep::All {
                    metrics.write(table, out);
                }
                // Whoever collects many pods is to know of these, too.
                if own {
                    metrics::write_ambiguous(ambiguous, out);
                }
            };
            let (labels, rendering) = (&table.labels, &mut side.rendering);
            match self.watch.take() {
                None => rendering.finish(labels, &mut Unobserved, write),
                Some(watch) => {
                    watch.show(|ledger| rendering.finish(labels, ledger, write));
                    // Before its reader knows: who waited for the look is to find it.
                    watch.land(rendering.stats().lines);
                }
            }
            side.hand_out().await;
            side.end().await;
        }
    }

    fn break_off(&self, error: &impl std::fmt::Display) {
        let why = format!("Kong's body broke off: {error}");
        self.shared.failed(&why);
        for reader in self.readers() {
            reader.writer.end(Err(Broken::Kong));
        }
        self.count_samples();
    }

    fn count_samples(&self) {
        if let Some(side) = self.sides.first() {
            self.shared.metrics.samples(side.rendering.stats());
        }
    }

    fn readers(&self) -> impl Iterator<Item = &Passenger> {
        self.sides.iter().flat_map(|side| &side.readers)
    }

    /// Waits until every reader has room for more; false if there is none left. Those who hold others up for too long are
    /// cut off.
    async fn room(&mut self) -> bool {
        loop {
            for side in &mut self.sides {
                side.readers.retain(|reader| !reader.writer.is_over());
            }
            // A look goes on without readers, as Kong does.
            let mut watched = self.watch.is_some();
            self.sides
                .retain(|side| mem::take(&mut watched) || !side.readers.is_empty());
            if self.sides.is_empty() {
                return false;
            }
            let Some(grace) = self.least_grace() else {
                return true;
            };
            let held_up =
                self.shared.somebody_waits() || self.readers().any(|reader| reader.writer.is_dry());
            let began = Instant::now();
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.shared.arrival.notified(), if !held_up => {}
                () = tokio::time::sleep(grace), if held_up => {}
            }
            if held_up {
                self.charge(began);
            }
        }
    }

    /// Marks those who are full, and tells how long the first of them may stay so; none if nobody is.
    fn least_grace(&mut self) -> Option<Duration> {
        let mut least = None;
        for reader in self.sides.iter_mut().flat_map(|side| &mut side.readers) {
            reader.full = reader.writer.is_full();
            if reader.full {
                let left = reader.left(self.stand_still);
                least = Some(least.map_or(left, |least: Duration| least.min(left)));
            }
        }
        least
    }

    /// Charges those who were marked for the time since `began`, whether they took something at last or not, and cuts off
    /// who has none left.
    fn charge(&mut self, began: Instant) {
        let time = Instant::now().saturating_duration_since(began);
        let stand_still = self.stand_still;
        let mut cut = false;
        for reader in self.sides.iter_mut().flat_map(|side| &mut side.readers) {
            if !reader.full {
                continue;
            }
            reader.grace.spend(time);
            if reader.left(stand_still).is_zero() {
                cut = true;
                if let Some(suppressed) = self.shared.cut_off.due(()) {
                    tracing::warn!(
                        suppressed,
                        "a reader that held others up was cut off; gzip would make it faster"
                    );
                }
                reader.writer.cut(Broken::TooSlow);
                reader.connection.end_now();
            }
        }
        if cut {
            self.stand_still.used_up();
        }
    }
}

impl Passenger {
    /// How long it may still hold others up.
    fn left(&self, stand_still: StandStill) -> Duration {
        let grace = self.grace.left();
        grace.min(stand_still.left(self.writer.stands_still()))
    }
}

impl Side {
    fn new(keep: Keep, readers: Vec<Passenger>, metrics: &Arc<Metrics>) -> Self {
        let zipped: Vec<_> = readers
            .iter()
            .filter(|reader| reader.gzip)
            .map(|reader| Arc::clone(&reader.writer))
            .collect();
        Self {
            keep,
            rendering: Rendering::new(keep),
            gzip: (!zipped.is_empty()).then(|| Gzip::start(zipped, Arc::clone(metrics))),
            readers,
        }
    }

    async fn hand_out(&mut self) {
        let piece = self.rendering.take();
        if self.readers.is_empty() {
            self.gzip = None;
            return;
        }
        for reader in &mut self.readers {
            reader.grace.earn(piece.len());
            if !reader.gzip {
                reader.writer.push(piece.clone());
            }
        }
        if let Some(gzip) = &mut self.gzip {
            gzip.push(piece).await;
        }
    }

    async fn end(&mut self) {
        for reader in self.readers.iter().filter(|reader| !reader.gzip) {
            reader.writer.end(Ok(()));
        }
        if let Some(gzip) = self.gzip.take() {
            gzip.end().await;
        }
    }
}

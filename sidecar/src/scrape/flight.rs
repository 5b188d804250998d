//! One scrape of Kong and those who share it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use tagalong_exposition::Keep;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::patience::Patience;
use super::pipe::{Broken, Writer, pipe};
use super::render::{Piece, Rendering};
use super::{Answer, LastScrape, ScrapeError, Seat, Shared, Upstream};
use crate::lifeline::Lifeline;
use crate::table::Loaded;

/// Scrapes once for all seats. Ends when Kong's body has, or when nobody is left.
pub(super) async fn fly<U: Upstream>(shared: Arc<Shared<U>>, mut seats: Vec<Seat>) {
    let answer = tokio::select! {
        answer = shared.upstream.scrape() => answer,
        () = abandoned(&mut seats) => return,
    };
    match answer {
        Err(error) => {
            shared.note(LastScrape::Bad(error.to_string()));
            for seat in seats {
                // Who does not listen any more needs no answer.
                let _ = seat.answer.send(Err(ScrapeError::Kong(error.clone())));
            }
        }
        Ok((content_type, body)) => {
            Flight::board(shared, &content_type, seats)
                .stream(body)
                .await;
        }
    }
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
    table: Arc<Loaded>,
    /// Whether the sidecar's own families may follow: not behind the `# EOF` of OpenMetrics.
    own: bool,
    sides: Vec<Side>,
    wake: Arc<Notify>,
}

/// One selection of samples and its readers.
struct Side {
    keep: Keep,
    rendering: Rendering,
    readers: Vec<Passenger>,
}

struct Passenger {
    gzip: bool,
    writer: Writer,
    patience: Patience,
    lifeline: Arc<Lifeline>,
}

impl<U: Upstream> Flight<U> {
    fn board(shared: Arc<Shared<U>>, content_type: &HeaderValue, seats: Vec<Seat>) -> Self {
        let wake = Arc::new(Notify::new());
        let mut sides = Vec::with_capacity(2);
        for keep in [Keep::All, Keep::Enriched] {
            let wanted = |gzip| {
                seats
                    .iter()
                    .any(|seat| seat.want.keep == keep && seat.want.gzip == gzip)
            };
            let (plain, gzip) = (wanted(false), wanted(true));
            if plain || gzip {
                sides.push(Side {
                    keep,
                    rendering: Rendering::new(keep, gzip),
                    readers: Vec::new(),
                });
            }
        }
        for seat in seats {
            let (writer, body) = pipe(&wake);
            let content_type = content_type.clone();
            let boarded = seat.answer.send(Ok(Answer { content_type, body })).is_ok();
            if let Some(side) = sides.iter_mut().find(|side| side.keep == seat.want.keep)
                && boarded
            {
                side.readers.push(Passenger {
                    gzip: seat.want.gzip,
                    writer,
                    patience: Patience::new(),
                    lifeline: seat.lifeline,
                });
            }
        }
        let text = content_type.to_str().unwrap_or_default();
        Self {
            table: shared.tables.load_full(),
            own: !text
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("application/openmetrics-text"),
            shared,
            sides,
            wake,
        }
    }

    async fn stream(mut self, mut body: U::Body) {
        loop {
            if !self.room().await {
                break;
            }
            let frame = tokio::select! {
                frame = body.frame() => frame,
                // A reader has taken something or gone.
                () = self.wake.notified() => continue,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        self.push(&chunk);
                    }
                }
                Some(Err(error)) => {
                    self.shared
                        .note(LastScrape::Bad(format!("Kong's body broke off: {error}")));
                    self.end(Err(Broken::Kong));
                    break;
                }
                None => {
                    self.shared.note(LastScrape::Good);
                    self.finish();
                    return;
                }
            }
        }
        if let Some(side) = self.sides.first() {
            self.shared.metrics.samples(side.rendering.stats());
        }
    }

    fn push(&mut self, chunk: &Bytes) {
        for side in &mut self.sides {
            match side.rendering.push(&self.table.labels, chunk) {
                Ok(piece) => side.hand_out(&piece),
                Err(error) => side.fail(&error),
            }
        }
    }

    fn finish(&mut self) {
        let (metrics, table, own) = (&self.shared.metrics, &self.table, self.own);
        for (at, side) in self.sides.iter_mut().enumerate() {
            let wants_own = own && side.keep == Keep::All;
            let piece = side.rendering.finish(&table.labels, |stats, out| {
                if at == 0 {
                    metrics.samples(stats);
                }
                if wants_own {
                    metrics.write(table, out);
                }
            });
            match piece {
                Ok(piece) => side.hand_out(&piece),
                Err(error) => side.fail(&error),
            }
        }
        self.end(Ok(()));
    }

    fn end(&self, how: Result<(), Broken>) {
        for reader in self.readers() {
            reader.writer.end(how);
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
            self.sides.retain(|side| !side.readers.is_empty());
            if self.sides.is_empty() {
                return false;
            }
            let Some(patience) = self
                .readers()
                .filter(|reader| reader.writer.is_full())
                .map(|reader| reader.patience.left())
                .min()
            else {
                return true;
            };
            let held_up =
                self.shared.somebody_waits() || self.readers().any(|reader| reader.writer.is_dry());
            let began = Instant::now();
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.shared.arrival.notified(), if !held_up => {}
                () = tokio::time::sleep(patience), if held_up => {}
            }
            if held_up {
                self.charge(began);
            }
        }
    }

    /// Charges those who are still full for the time since `began`, and cuts off who has none left.
    fn charge(&mut self, began: Instant) {
        let time = Instant::now().saturating_duration_since(began);
        for reader in self.sides.iter_mut().flat_map(|side| &mut side.readers) {
            if !reader.writer.is_full() {
                continue;
            }
            reader.patience.spend(time);
            if reader.patience.left().is_zero() {
                if let Some(unsaid) = self.shared.cut_off.due() {
                    tracing::warn!(
                        unsaid,
                        "a reader that held others up was cut off; it should ask for gzip"
                    );
                }
                reader.writer.cut(Broken::TooSlow);
                reader.lifeline.cut();
            }
        }
    }
}

impl Side {
    fn hand_out(&mut self, piece: &Piece) {
        for reader in &mut self.readers {
            let bytes = if reader.gzip {
                &piece.gzip
            } else {
                &piece.plain
            };
            reader.patience.earn(piece.plain.len());
            reader.writer.push(bytes.clone());
        }
    }

    /// Compressing into memory does not fail. Should it, then these readers' bodies are broken, and no others.
    fn fail(&mut self, error: &std::io::Error) {
        tracing::error!(%error, "compression failed");
        self.readers.clear();
    }
}

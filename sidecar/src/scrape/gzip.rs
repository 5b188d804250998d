//! Compresses on a thread of its own, so that reading and rewriting go on meanwhile.

use std::io::{self, Write as _};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::mpsc;

use super::pipe::{Broken, Writer};
use crate::metrics::Metrics;

/// How many bytes go to the thread at once: enough that waking it costs little beside compressing them.
const BATCH: usize = 128 * 1024;
/// How many batches may wait for it.
const AHEAD: usize = 2;

/// The compressor of one selection of samples, however many read it.
pub(super) struct Gzip {
    to: mpsc::Sender<Job>,
    batch: Vec<Bytes>,
    size: usize,
}

enum Job {
    Pieces(Vec<Bytes>),
    /// The body has ended well. Without it, the body just stops.
    End(Vec<Bytes>),
}

impl Gzip {
    /// Compresses for these readers.
    pub(super) fn start(readers: Vec<Arc<Writer>>, metrics: Arc<Metrics>) -> Self {
        let (to, jobs) = mpsc::channel(AHEAD);
        let thread = tokio::task::spawn_blocking(move || {
            if let Err(error) = compress(jobs, &readers) {
                // Compressing into memory does not fail. Should it, then these readers' bodies are broken, and no others.
                tracing::error!(%error, "compression failed");
                for reader in readers {
                    reader.end(Err(Broken::Panic));
                }
            }
        });
        tokio::spawn(async move {
            if thread.await.is_err_and(|error| error.is_panic()) {
                metrics.panics.fetch_add(1, Relaxed);
            }
        });
        Self {
            to,
            batch: Vec::new(),
            size: 0,
        }
    }

    /// Compresses the next bytes, soon.
    pub(super) async fn push(&mut self, piece: Bytes) {
        self.size += piece.len();
        self.batch.push(piece);
        if self.size >= BATCH {
            self.size = 0;
            let batch = mem::take(&mut self.batch);
            self.send(Job::Pieces(batch)).await;
        }
    }

    /// The body has ended well, and so do the readers' once all is compressed.
    pub(super) async fn end(mut self) {
        let last = mem::take(&mut self.batch);
        self.send(Job::End(last)).await;
    }

    async fn send(&mut self, job: Job) {
        // Fails only if the thread has failed, which its readers know already.
        let _ = self.to.send(job).await;
    }
}

fn compress(mut jobs: mpsc::Receiver<Job>, readers: &[Arc<Writer>]) -> io::Result<()> {
    // The fastest level: the body shrinks twentyfold already, and Kong's pod has better use for its CPU.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    while let Some(job) = jobs.blocking_recv() {
        let (pieces, last) = match job {
            Job::Pieces(pieces) => (pieces, false),
            Job::End(pieces) => (pieces, true),
        };
        for piece in pieces {
            gzip.write_all(&piece)?;
        }
        if last {
            gzip.try_finish()?;
        }
        let zipped = Bytes::from(mem::take(gzip.get_mut()));
        for reader in readers {
            reader.push(zipped.clone());
            if last {
                reader.end(Ok(()));
            }
        }
    }
    Ok(())
}

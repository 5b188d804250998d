//! The sidecar's own families, which follow Kong's.
//!
//! They come with a scrape that succeeds. When Kong is down the scrape fails, as it must, and they are not seen.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use tagalong_exposition::{AmbiguousNames, Stats};
use tagalong_runtime::serve::Events;

use crate::table::ActiveTable;

mod text;

use text::Text;

/// How a request for `/metrics` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeOutcome {
    /// Answered to the end.
    Ok,
    /// Kong could not be connected to: 502.
    KongUnreachable,
    /// Kong answered, but with no exposition: 502.
    KongBadAnswer,
    /// Kong did not answer in time: 504.
    KongTimeout,
    /// Kong's body broke off, and ours with it.
    KongCutOff,
    /// The scraper's time was up in the middle of the body, which was cut off.
    TimedOut,
    /// The reader held others up, and was cut off.
    TooSlow,
    /// The reader went away by itself.
    ReaderGone,
    /// A bug of ours: the request failed and nothing else did.
    Panic,
}

const OUTCOMES: [(ScrapeOutcome, &str); 9] = [
    (ScrapeOutcome::Ok, "ok"),
    (ScrapeOutcome::KongUnreachable, "kong_unreachable"),
    (ScrapeOutcome::KongBadAnswer, "kong_bad_answer"),
    (ScrapeOutcome::KongTimeout, "kong_timeout"),
    (ScrapeOutcome::KongCutOff, "kong_cut_off"),
    (ScrapeOutcome::TimedOut, "timed_out"),
    (ScrapeOutcome::TooSlow, "too_slow"),
    (ScrapeOutcome::ReaderGone, "reader_gone"),
    (ScrapeOutcome::Panic, "panic"),
];

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    /// Scrapes of Kong that were begun.
    pub kong_scrapes: AtomicU64,
    /// Requests that shared a scrape another request had asked for.
    pub shared: AtomicU64,
    /// Panics that were contained.
    pub panics: AtomicU64,
    /// Connections open.
    pub connections: AtomicU64,
    /// Connections refused because too many were open.
    pub connections_refused: AtomicU64,
    applied: AtomicU64,
    refused: AtomicU64,
    enriched: AtomicU64,
    already_labelled: AtomicU64,
    unknown: AtomicU64,
    ambiguous: AtomicU64,
    unparsed: AtomicU64,
    over_long: AtomicU64,
    /// The stream's part, where the table comes from a stream.
    pub push: PushCounts,
    /// What is counted of summaries.
    pub summary: SummaryCounts,
}

/// What is counted of summaries.
#[derive(Debug, Default)]
pub struct SummaryCounts {
    /// Whether anybody has asked for one.
    pub used: AtomicBool,
    /// Summaries for which Kong was scraped.
    pub scrapes: AtomicU64,
    /// Summaries of what a scrape before had found.
    pub reused: AtomicU64,
    /// Kong's series that are followed.
    pub series: AtomicU64,
    /// Requests that are in no total, as their name was another Service's before.
    pub renamed: AtomicU64,
    /// Requests that are in no total, as Nginx cannot have had so many.
    pub implausible: AtomicU64,
    /// Scrapes that were no look, as they held lines that cannot be read, or not Nginx' own numbers.
    pub void: AtomicU64,
}

/// What is counted of the operator's stream.
#[derive(Debug, Default)]
pub struct PushCounts {
    /// Whether the table comes from a stream at all.
    pub used: AtomicBool,
    /// Whether a stream is open.
    pub connected: AtomicBool,
    /// Streams that were opened.
    pub opened: AtomicU64,
    /// Attempts and streams that failed.
    pub failed: AtomicU64,
    /// Streams given up because a message did not fit the table.
    pub resyncs: AtomicU64,
    /// When the last message came, in seconds since the epoch.
    pub last_message: AtomicU64,
}

impl Events for Metrics {
    fn opened(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    fn closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    fn refused(&self) {
        self.connections_refused.fetch_add(1, Relaxed);
    }

    fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }
}

impl Metrics {
    /// A request for `/metrics` has ended.
    pub fn ended(&self, outcome: ScrapeOutcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }

    /// An update of the table was put into use.
    pub fn table_applied(&self) {
        self.applied.fetch_add(1, Relaxed);
    }

    /// An update of the table was refused.
    pub fn table_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// One scrape's worth of samples has passed.
    pub fn samples(&self, stats: Stats) {
        self.enriched.fetch_add(stats.enriched, Relaxed);
        self.already_labelled
            .fetch_add(stats.already_labelled, Relaxed);
        self.unknown.fetch_add(stats.unknown, Relaxed);
        self.ambiguous.fetch_add(stats.ambiguous, Relaxed);
        self.unparsed.fetch_add(stats.unparsed, Relaxed);
        self.over_long.fetch_add(stats.over_long, Relaxed);
    }

    /// Appends the families to an exposition whose last line is complete.
    pub fn write(&self, table: &ActiveTable, out: &mut Vec<u8>) {
        let mut text = Text(out);
        text.family(
            "build_info",
            "gauge",
            "The version this sidecar was built from.",
        );
        text.sample(
            "build_info",
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                ("commit", env!("TAGALONG_BUILD_COMMIT")),
            ],
            1,
        );
        self.write_table(table, &mut text);
        self.write_scrapes(&mut text);
        if self.push.used.load(Relaxed) {
            self.push.write(&mut text);
        }
        if self.summary.used.load(Relaxed) {
            self.summary.write(&mut text);
        }
    }

    fn write_table(&self, table: &ActiveTable, text: &mut Text<'_>) {
        if let Some(version) = table.version {
            text.single(
                "table_version",
                "gauge",
                "The version of the table in use; it starts over with each stream.",
                version,
            );
        }
        text.family("table_entries", "gauge", "Kong names in the table in use.");
        text.sample(
            "table_entries",
            &[("kind", "service")],
            table.labels.services() as u64,
        );
        text.sample(
            "table_entries",
            &[("kind", "upstream")],
            table.labels.upstreams() as u64,
        );
        if let Some(since) = table.since {
            text.single(
                "table_timestamp_seconds",
                "gauge",
                "When the table in use came, as a Unix time.",
                seconds(since),
            );
        }
        text.family("table_updates_total", "counter", "Updates of the table.");
        text.sample(
            "table_updates_total",
            &[("result", "applied")],
            self.applied.load(Relaxed),
        );
        text.sample(
            "table_updates_total",
            &[("result", "refused")],
            self.refused.load(Relaxed),
        );
    }

    fn write_scrapes(&self, text: &mut Text<'_>) {
        text.family(
            "scrapes_total",
            "counter",
            "Requests for /metrics that have ended, not counting this one.",
        );
        for (outcome, result) in OUTCOMES {
            let count = self.outcomes[outcome as usize].load(Relaxed);
            text.sample("scrapes_total", &[("result", result)], count);
        }
        text.single(
            "kong_scrapes_total",
            "counter",
            "Scrapes of Kong that were begun.",
            self.kong_scrapes.load(Relaxed),
        );
        text.single(
            "shared_scrapes_total",
            "counter",
            "Requests that shared the scrape of another.",
            self.shared.load(Relaxed),
        );
        text.family(
            "samples_total",
            "counter",
            "Samples with a service or upstream, and lines that are not samples, by what became of them.",
        );
        for (result, count) in [
            ("enriched", &self.enriched),
            ("unknown", &self.unknown),
            ("ambiguous", &self.ambiguous),
            ("already_labelled", &self.already_labelled),
            ("unparsed", &self.unparsed),
            ("over_long", &self.over_long),
        ] {
            text.sample("samples_total", &[("result", result)], count.load(Relaxed));
        }
        text.single(
            "connections",
            "gauge",
            "Open connections.",
            self.connections.load(Relaxed),
        );
        text.single(
            "connections_refused_total",
            "counter",
            "Connections refused because too many were open.",
            self.connections_refused.load(Relaxed),
        );
        text.single(
            "panics_total",
            "counter",
            "Panics that were contained to their request.",
            self.panics.load(Relaxed),
        );
    }
}

impl PushCounts {
    fn write(&self, text: &mut Text<'_>) {
        text.single(
            "push_connected",
            "gauge",
            "Whether the operator's stream is open.",
            u64::from(self.connected.load(Relaxed)),
        );
        text.single(
            "push_streams_total",
            "counter",
            "Streams that were opened.",
            self.opened.load(Relaxed),
        );
        text.single(
            "push_failures_total",
            "counter",
            "Attempts to open a stream, and streams, that failed.",
            self.failed.load(Relaxed),
        );
        text.single(
            "push_resyncs_total",
            "counter",
            "Streams given up because a message did not fit the table.",
            self.resyncs.load(Relaxed),
        );
        let last = self.last_message.load(Relaxed);
        if last > 0 {
            text.single(
                "push_last_message_timestamp_seconds",
                "gauge",
                "When the operator was last heard from, as a Unix time.",
                last,
            );
        }
    }
}

/// Appends which ambiguous names an exposition had samples of, where it had any.
pub fn write_ambiguous(seen: &AmbiguousNames, out: &mut Vec<u8>) {
    let mut text = Text(out);
    for (at, (name, samples)) in seen.iter().enumerate() {
        if at == 0 {
            text.family(
                "ambiguous_samples",
                "gauge",
                "Samples of this scrape that get no labels, since their Kong name could stand for two Services, by name (the first eight).",
            );
        }
        // A name of the table, escaped as Kong escaped it.
        let name = String::from_utf8_lossy(name);
        text.sample("ambiguous_samples", &[("name", &name)], samples);
    }
}

impl SummaryCounts {
    fn write(&self, text: &mut Text<'_>) {
        text.family(
            "summaries_total",
            "counter",
            "Summaries that were asked for.",
        );
        for (source, count) in [("scrape", &self.scrapes), ("reuse", &self.reused)] {
            text.sample(
                "summaries_total",
                &[("source", source)],
                count.load(Relaxed),
            );
        }
        text.single(
            "summary_series",
            "gauge",
            "Series of Kong that summaries are made of.",
            self.series.load(Relaxed),
        );
        text.family(
            "summary_dropped_requests_total",
            "counter",
            "Requests that are in no summary: it is not known whose they are, or whether they were new.",
        );
        for (reason, count) in [
            ("renamed", &self.renamed),
            ("implausible", &self.implausible),
        ] {
            let labels = [("reason", reason)];
            text.sample(
                "summary_dropped_requests_total",
                &labels,
                count.load(Relaxed),
            );
        }
        text.single(
            "summary_void_scrapes_total",
            "counter",
            "Scrapes that no summary can use: lines that cannot be read, or Nginx' numbers missing.",
            self.void.load(Relaxed),
        );
    }
}

/// A time as whole seconds since the epoch.
#[must_use]
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

//! The part on servers over HTTP.

use std::io;
use std::path::Path;

use super::plot::{self, Line};
use super::{table, told};
use crate::over_http::SERVERS;
use crate::record::{Cell, OverHttp, Round};
use crate::stats::Spread;

const MIB: f64 = 1024.0 * 1024.0;

fn title(server: &str) -> &str {
    match server {
        "copy" => "byte-copying proxy",
        "tagalong" => "tagalong's sidecar",
        "expfmt" => "Go `expfmt` server",
        other => other,
    }
}

fn spread(cell: &Cell, value: impl Fn(&Round) -> f64) -> Spread {
    Spread::of(cell.rounds.iter().map(value))
}

pub(super) fn section(record: &OverHttp) -> String {
    let mut text = String::from(
        "## Over HTTP\n\n\
         Each server alone on one core, Kong's stand-in and the scrapers on the other. The byte-copying proxy is handed the finished text \
         and copies it, compressing it at level 1 where gzip is asked for. The `expfmt` server is what exporter-merger and its like do: \
         scrape, decode, label, encode. The sidecar lets scrapers that come together share one scrape of Kong; the others scrape for \
         each. Scrapers keep their connection; those of one row start together and scrape again as soon as they are served. \
         `expfmt` had three rounds of the loads that it takes minutes for, and none of 64 scrapers on `large`, for which \
         its trees would take more memory than the machine has.\n\n![Median time of a scrape](benchmarks/over-http.svg)\n\n",
    );
    for facts in &record.works {
        text += &format!("### `{}`, {} samples\n\n", facts.capture, facts.samples);
        let mine = record
            .cells
            .iter()
            .filter(|cell| cell.capture == facts.capture);
        let rows = mine.map(|cell| row(record, cell, facts.samples));
        let header = [
            "coding",
            "scrapers",
            "server",
            "text MB/s",
            "million samples/s",
            "CPU ms per scrape",
            "first byte ms, median",
            "first byte ms, p99",
            "whole ms, median",
            "whole ms, p99",
            "scrapes",
        ];
        text += &table::markdown(&header, &rows.collect::<Vec<_>>());
        text.push('\n');
    }
    text + &memory(record) + &losses(record)
}

fn body_bytes(record: &OverHttp, cell: &Cell) -> f64 {
    let mut judged = record.judgements.iter();
    judged
        .find(|judged| judged.contender == cell.contender && judged.capture == cell.capture)
        .map_or(f64::NAN, |judged| judged.body_bytes as f64)
}

/// Bytes of text, before compression, per second.
fn text_a_second(record: &OverHttp, cell: &Cell) -> Spread {
    let body = body_bytes(record, cell);
    spread(cell, |round| {
        round.scrapes as f64 * body / round.wall_seconds
    })
}

fn row(record: &OverHttp, cell: &Cell, samples: usize) -> Vec<String> {
    let text = text_a_second(record, cell);
    let samples = spread(cell, |round| {
        (round.scrapes * samples) as f64 / round.wall_seconds / 1e6
    });
    let scrapes: usize = cell.rounds.iter().map(|round| round.scrapes).sum();
    let ms = |value: fn(&Round) -> f64| table::spread(spread(cell, |round| value(round) * 1e3));
    vec![
        cell.coding.clone(),
        cell.scrapers.to_string(),
        title(&cell.contender).to_owned(),
        table::number(text.median / 1e6),
        table::number(samples.median),
        ms(|round| round.cpu_seconds / round.scrapes as f64),
        ms(|round| round.first_byte[0]),
        ms(|round| round.first_byte[1]),
        ms(|round| round.whole[0]),
        ms(|round| round.whole[1]),
        scrapes.to_string(),
    ]
}

fn memory(record: &OverHttp) -> String {
    let rows = record.judgements.iter().map(|judged| {
        vec![
            judged.capture.clone(),
            title(&judged.contender).to_owned(),
            told(&judged.judgement),
            table::number(judged.body_bytes as f64 / 1e6),
            table::number(judged.peak_bytes as f64 / MIB),
        ]
    });
    let header = [
        "capture",
        "server",
        "same samples",
        "body MB",
        "peak MiB (VmHWM)",
    ];
    format!(
        "### Peak memory over HTTP\n\nOf the process, after all that the tables above show of the capture.\n\n{}\n",
        table::markdown(&header, &rows.collect::<Vec<_>>())
    )
}

/// Where the byte copy, or anybody, answers faster than we do.
fn losses(record: &OverHttp) -> String {
    let mut text = String::from(
        "### The sidecar against the byte copy\n\nText per second, the sidecar's ÷ the copying proxy's:\n\n",
    );
    let ours = record
        .cells
        .iter()
        .filter(|cell| cell.contender == "tagalong");
    let rows = ours.filter_map(|ours| {
        let copy = record.cells.iter().find(|cell| {
            cell.contender == "copy"
                && (&cell.capture, &cell.coding, cell.scrapers)
                    == (&ours.capture, &ours.coding, ours.scrapers)
        })?;
        let ratio = text_a_second(record, ours).median / text_a_second(record, copy).median;
        Some(vec![
            ours.capture.clone(),
            ours.coding.clone(),
            ours.scrapers.to_string(),
            table::number(ratio),
        ])
    });
    let rows: Vec<_> = rows.collect();
    text += &table::markdown(&["capture", "coding", "scrapers", "ratio"], &rows);
    text + "\nBelow 1 the copy is faster. Above 1 the sidecar is, though it does more: it reads Kong's text, half as long as the finished \
            one that the copy reads, and reads it once for all who wait.\n"
}

pub(super) fn plot(record: &OverHttp, path: &Path) -> io::Result<()> {
    let lines = SERVERS.map(|server| {
        let cells = record.cells.iter().filter(|cell| {
            cell.contender == server && cell.capture == "small" && cell.coding == "identity"
        });
        Line {
            label: server.to_owned(),
            points: cells
                .map(|cell| {
                    (
                        cell.scrapers as f64,
                        spread(cell, |round| round.whole[0] * 1e3).median,
                    )
                })
                .collect(),
        }
    });
    plot::lines(
        path,
        "small, identity: median ms of a scrape, by scrapers (log scales)",
        &lines,
    )
}

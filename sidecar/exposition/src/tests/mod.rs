//! The rewriter against the naive one, for real and for generated input.

pub(crate) mod captures;
pub(crate) mod generated;
mod judge;

use crate::naive::{self, NaiveTable};
use crate::{Keep, LabelTable, Options, Rewriter, Stats};

/// The same table for the real rewriter.
fn built(table: &NaiveTable) -> LabelTable {
    let builder = LabelTable::builder();
    let builder = table
        .services
        .iter()
        .fold(builder, |b, (kong, (ns, name))| b.service(kong, ns, name));
    let mut builder = table
        .upstreams
        .iter()
        .fold(builder, |b, (kong, (ns, name))| b.upstream(kong, ns, name));
    for kong in &table.ambiguous_services {
        builder.set_ambiguous_service(kong);
    }
    for kong in &table.ambiguous_upstreams {
        builder.set_ambiguous_upstream(kong);
    }
    builder.build()
}

/// What the real rewriter makes of the chunks.
fn rewrite<'a>(
    options: Options,
    table: &LabelTable,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Stats) {
    let mut rewriter = Rewriter::new(options);
    let mut out = Vec::new();
    for chunk in chunks {
        rewriter.push(table, chunk, &mut out);
    }
    rewriter.finish(table, &mut out);
    (out, rewriter.stats())
}

/// Cuts `text` into pieces of these lengths, over and over.
pub(crate) fn cut<'a>(text: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    let mut lengths = lengths.iter().copied().cycle();
    std::iter::from_fn(move || {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        (!piece.is_empty() || !rest.is_empty()).then_some(piece)
    })
}

/// Fails unless the real rewriter agrees with the naive one, whole and cut.
#[track_caller]
fn agrees(options: Options, table: &NaiveTable, text: &[u8], lengths: &[usize]) {
    let expected = naive::rewrite(options, table, text);
    let table = built(table);
    same(&rewrite(options, &table, [text]), &expected);
    same(&rewrite(options, &table, cut(text, lengths)), &expected);
}

#[track_caller]
fn same(actual: &(Vec<u8>, Stats), expected: &(Vec<u8>, Stats)) {
    if actual.0 != expected.0 {
        let lines = |bytes: &[u8]| -> Vec<String> {
            bytes
                .split_inclusive(|b| *b == b'\n')
                .map(|line| format!("{:?}", String::from_utf8_lossy(line)))
                .collect()
        };
        let (actual, expected) = (lines(&actual.0), lines(&expected.0));
        let first = actual
            .iter()
            .zip(&expected)
            .take_while(|(a, b)| a == b)
            .count();
        panic!(
            "line {first}: {:?}, expected {:?}",
            actual.get(first),
            expected.get(first)
        );
    }
    assert_eq!(actual.1, expected.1);
}

const KEEPS: [Keep; 2] = [Keep::All, Keep::Enriched];

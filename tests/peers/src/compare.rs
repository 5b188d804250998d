//! Judges whether a contender did the work: its samples against those that the table asks for.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::canonical::{Sample, Spelling};

/// How many differing samples are kept to be shown.
const SHOWN: usize = 3;

/// What a contender's output has too much and too little.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many samples there should be.
    pub expected: usize,
    /// How many there are.
    pub found: usize,
    /// Samples that should be there and are not. Read as Prometheus reads.
    pub missing: usize,
    /// Samples that are there and should not be. Read as Prometheus reads.
    pub unexpected: usize,
    /// Samples that are right, but spelled otherwise: an empty label left out, `le="1"` as `le="1.0"`.
    pub respelled: usize,
    /// A few of the missing (`-`) and unexpected (`+`).
    pub examples: Vec<String>,
}

impl Comparison {
    /// Whether the contender did the work that the others did.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.missing == 0 && self.unexpected == 0 && self.found == self.expected
    }
}

/// Compares what was found, in any order, with what was expected.
#[must_use]
pub fn compare(expected: &[Sample], found: &[Sample]) -> Comparison {
    let difference = differ(
        &sorted(expected, Spelling::AsPrometheusReads),
        &sorted(found, Spelling::AsPrometheusReads),
    );
    let spelled = differ(
        &sorted(expected, Spelling::AsWritten),
        &sorted(found, Spelling::AsWritten),
    );
    Comparison {
        expected: expected.len(),
        found: found.len(),
        respelled: spelled.unexpected.saturating_sub(difference.unexpected),
        ..difference
    }
}

fn sorted(samples: &[Sample], spelling: Spelling) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = samples
        .iter()
        .map(|sample| sample.canonical(spelling))
        .collect();
    all.sort_unstable();
    all
}

fn differ(expected: &[Vec<u8>], found: &[Vec<u8>]) -> Comparison {
    let mut comparison = Comparison::default();
    let (mut left, mut right) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return comparison,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.cmp(right),
        };
        match order {
            Ordering::Equal => {
                left.next();
                right.next();
            }
            Ordering::Less => {
                comparison.missing += 1;
                show(&mut comparison, '-', left.next());
            }
            Ordering::Greater => {
                comparison.unexpected += 1;
                show(&mut comparison, '+', right.next());
            }
        }
    }
}

fn show(comparison: &mut Comparison, sign: char, sample: Option<&Vec<u8>>) {
    let signed = |example: &&String| example.starts_with(sign);
    let Some(sample) = sample else { return };
    if comparison.examples.iter().filter(signed).count() < SHOWN {
        let sample = String::from_utf8_lossy(sample);
        comparison.examples.push(format!("{sign} {sample}"));
    }
}

#[cfg(test)]
mod tests;

//! What grew from one look to the next.

use tagalong_wire::{BOUNDS, Totals};

use crate::names::Id;
use crate::ring::narrow;
use crate::settings::Millis;

/// The numbers of a Service in a cell: first those that stand in for a pod that is late.
pub(crate) const NUMBERS: usize = BUCKETS + BOUNDS.len();
/// How many of them stand in.
pub(crate) const RATES: usize = 4;
pub(crate) const ARRIVALS: usize = 0;
pub(crate) const COUNT: usize = 1;
pub(crate) const SUM: usize = 2;
pub(crate) const REQUEST_SUM: usize = 3;
pub(crate) const APART_COUNT: usize = 4;
pub(crate) const APART_SUM: usize = 5;
pub(crate) const UNSETTLED: usize = 6;
/// Increments that no pod can have; of no pod's base.
pub(crate) const VOID: usize = 7;
pub(crate) const BUCKETS: usize = 8;

/// No pod answers more requests in a second, nor holds more at a time.
const MOST: f64 = 1e6;

/// What a pod said of a Service last. A thousand pods of two hundred Services hold as many: so buckets, of which only
/// differences count, are cut to half.
#[derive(Clone, Debug)]
pub(crate) struct ServiceBase {
    pub(crate) id: Id,
    numbers: [u64; VOID],
    buckets: [u32; BOUNDS.len()],
    /// How fast the first numbers grew lately, in a second.
    pub(crate) rates: [f32; RATES],
}

/// Why an increment counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Void {
    /// A number fell though the epoch is the same.
    Fell,
    /// More than a pod can do.
    Absurd,
}

impl ServiceBase {
    pub(crate) fn of(id: Id, totals: &Totals) -> Self {
        Self {
            id,
            numbers: [
                totals.arrivals,
                totals.count,
                totals.sum,
                totals.request_sum,
                totals.apart.count,
                totals.apart.sum,
                totals.unsettled,
            ],
            #[expect(clippy::cast_possible_truncation, reason = "differences count")]
            buckets: totals.buckets.0.map(|bucket| bucket as u32),
            rates: [0.0; RATES],
        }
    }

    /// A Service that was not named: all was 0.
    pub(crate) fn none(id: Id) -> Self {
        Self::of(id, &Totals::default())
    }

    /// All is 0 again, and its rates are what they were.
    pub(crate) fn begun_again(&self) -> Self {
        Self {
            rates: self.rates,
            ..Self::none(self.id)
        }
    }

    /// What grew from here to `newer`, in so many milliseconds.
    pub(crate) fn grown(&self, newer: &Self, span: Millis) -> Result<[f64; NUMBERS], Void> {
        let most = MOST * (span.max(1000) as f64 / 1000.0);
        let mut grown = [0.0; NUMBERS];
        let (numbers, buckets) = grown.split_at_mut(BUCKETS);
        for (at, number) in numbers.iter_mut().take(VOID).enumerate() {
            let (old, new) = (self.numbers[at], newer.numbers[at]);
            *number = new.checked_sub(old).ok_or(Void::Fell)? as f64;
            let sums = matches!(at, SUM | REQUEST_SUM | APART_SUM);
            if *number > most * if sums { 1000.0 } else { 1.0 } {
                return Err(Void::Absurd);
            }
        }
        for (number, (old, new)) in buckets
            .iter_mut()
            .zip(self.buckets.iter().zip(&newer.buckets))
        {
            *number = f64::from(new.wrapping_sub(*old));
            if *number > most {
                return Err(Void::Absurd);
            }
        }
        Ok(grown)
    }

    /// Notes how fast it grew: the shorter the look before the window, the less it says.
    pub(crate) fn note_rates(&mut self, grown: &[f64; NUMBERS], span: Millis, weight: f32) {
        let seconds = span as f64 / 1000.0;
        for (rate, grown) in self.rates.iter_mut().zip(grown) {
            *rate += (narrow(grown / seconds) - *rate) * weight;
        }
    }
}

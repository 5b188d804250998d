//! Medians, their spread, and percentiles.

use serde::{Deserialize, Serialize};

/// A median with the median of the absolute deviations from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The median absolute deviation.
    pub mad: f64,
}

impl Spread {
    /// Of some values. Not a number when there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let median = tagalong_bench::median(values.clone());
        let deviations = values.iter().map(|value| (value - median).abs()).collect();
        Self {
            median,
            mad: tagalong_bench::median(deviations),
        }
    }
}

/// The smallest value that at least `share` (0 to 1) of the values do not exceed.
#[must_use]
pub fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank between 0 and the length"
    )]
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;

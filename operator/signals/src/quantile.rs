//! Quantiles of a histogram.

use tagalong_wire::BOUNDS;

/// The [`BOUNDS`] in milliseconds, but the last.
const MILLISECONDS: [f64; 13] = [
    25.0, 50.0, 80.0, 100.0, 250.0, 400.0, 700.0, 1000.0, 2000.0, 5000.0, 10000.0, 30000.0, 60000.0,
];

/// The least number of milliseconds that a `share` of requests did not wait longer than: linear within a bucket, and beyond the
/// last bound that bound. A body of Kong's is no snapshot, so a bucket may hold fewer than the one before: the larger counts.
pub(crate) fn quantile(buckets: &[f64; BOUNDS.len()], share: f64) -> f64 {
    let all = buckets.iter().copied().fold(0.0, f64::max);
    let rank = share * all;
    let (mut below, mut lower) = (0.0_f64, 0.0);
    for (bucket, upper) in buckets.iter().zip(MILLISECONDS) {
        let within = bucket.max(below);
        if within >= rank && within > below {
            return lower + (upper - lower) * (rank - below) / (within - below);
        }
        (below, lower) = (within, upper);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(usize, f64)]) -> [f64; BOUNDS.len()] {
        let mut buckets = [0.0; BOUNDS.len()];
        for (at, count) in counts {
            buckets[*at..]
                .iter_mut()
                .for_each(|bucket| *bucket += count);
        }
        buckets
    }

    #[test]
    fn the_bounds_are_those_of_the_wire() {
        let wire: Vec<f64> = BOUNDS.iter().flat_map(|bound| bound.parse()).collect();
        assert_eq!(wire[..13], MILLISECONDS);
        assert_eq!(wire[13], f64::INFINITY);
    }

    #[test]
    fn it_is_linear_within_a_bucket() {
        let buckets = of(&[(4, 100.0)]);
        assert_eq!(quantile(&buckets, 0.5), 175.0);
        let buckets = of(&[(0, 90.0), (7, 10.0)]);
        assert_eq!(quantile(&buckets, 0.5), 25.0 * 50.0 / 90.0);
        assert_eq!(quantile(&buckets, 0.95), 850.0);
    }

    #[test]
    fn beyond_the_last_bound_it_is_that_bound() {
        assert_eq!(quantile(&of(&[(13, 30.0)]), 0.5), 60_000.0);
    }

    #[test]
    fn a_bucket_that_is_left_out_takes_nothing_away() {
        let mut buckets = of(&[(1, 100.0)]);
        buckets[3] = 0.0;
        assert_eq!(quantile(&buckets, 0.5), 37.5);
    }
}

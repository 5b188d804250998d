//! What grew, by the second in which it did.

use std::collections::VecDeque;

use crate::settings::Millis;

/// How long a cell is.
pub(crate) const CELL: Millis = 1000;

/// The last seconds, in cells of `N` numbers.
#[derive(Clone, Debug)]
pub(crate) struct Ring<const N: usize> {
    /// Which cell the first one is, counted from the beginning of time.
    first: Millis,
    cells: VecDeque<[f32; N]>,
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self {
            first: 0,
            cells: VecDeque::new(),
        }
    }
}

impl<const N: usize> Ring<N> {
    /// Spreads what grew from `from` to `to` evenly. What fell before `oldest` is let go.
    pub(crate) fn add(&mut self, from: Millis, to: Millis, grown: &[f64; N], oldest: Millis) {
        if grown.iter().all(|number| *number == 0.0) || to <= from {
            return;
        }
        let span = to - from;
        let mut cell = from.max(oldest).div_euclid(CELL);
        let end = (to - 1).div_euclid(CELL);
        while cell <= end {
            let overlap = to.min((cell + 1) * CELL) - from.max(cell * CELL);
            let share = overlap as f64 / span as f64;
            if let Some(numbers) = self.cell(cell) {
                for (number, grown) in numbers.iter_mut().zip(grown) {
                    *number += narrow(grown * share);
                }
            }
            cell += 1;
        }
    }

    fn cell(&mut self, cell: Millis) -> Option<&mut [f32; N]> {
        if self.cells.is_empty() {
            self.first = cell;
        }
        while cell < self.first {
            self.cells.push_front([0.0; N]);
            self.first -= 1;
        }
        let at = usize::try_from(cell - self.first).ok()?;
        while self.cells.len() <= at {
            self.cells.push_back([0.0; N]);
        }
        self.cells.get_mut(at)
    }

    /// What grew in the whole cells from `from` to `to`.
    pub(crate) fn sum(&self, from: Millis, to: Millis) -> [f64; N] {
        let mut sums = [0.0; N];
        let at = |time: Millis| usize::try_from(time.div_euclid(CELL) - self.first).unwrap_or(0);
        let (begin, end) = (at(from), at(to).min(self.cells.len()));
        if begin < end {
            for cell in self.cells.range(begin..end) {
                for (sum, number) in sums.iter_mut().zip(cell) {
                    *sum += f64::from(*number);
                }
            }
        }
        sums
    }

    /// Lets go what is older. Says whether anything is left.
    pub(crate) fn trim(&mut self, oldest: Millis) -> bool {
        while self.first < oldest.div_euclid(CELL) && self.cells.pop_front().is_some() {
            self.first += 1;
        }
        !self.cells.is_empty()
    }
}

/// Cells are many, and a ten-millionth does not count.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(crate) fn narrow(number: f64) -> f32 {
    number as f32
}

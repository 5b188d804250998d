//! The figures that tagalong promises, measured.
//!
//! Each binary of this crate measures one part and prints one line of JSON a figure. A figure that is a ratio is
//! measured against its peer in the same run, so that a noisy machine disturbs both alike.

pub mod process;

use std::io::Write as _;
use std::process::ExitCode;

/// Which side of the floor is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Good {
    /// The value must not fall below the floor.
    AtLeast,
    /// The value must not rise above the floor.
    AtMost,
}

/// One measured figure and the floor it must keep.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What was measured, in words that the README uses too.
    pub figure: &'static str,
    /// The measured value, in [`unit`](Self::unit).
    pub value: f64,
    /// The unit of value and floor, such as `ratio`, `ms` or `MiB`.
    pub unit: &'static str,
    /// The promised limit.
    pub floor: f64,
    /// Which side of the limit is good.
    pub good: Good,
}

impl Figure {
    /// Whether the promise is kept. A value that is not a number never keeps one.
    #[must_use]
    pub fn ok(&self) -> bool {
        match self.good {
            Good::AtLeast => self.value >= self.floor,
            Good::AtMost => self.value <= self.floor,
        }
    }

    /// Prints the figure as one line of JSON on standard output, and returns [`ok`](Self::ok).
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn print(&self) -> std::io::Result<bool> {
        let ok = self.ok();
        let line = serde_json::json!({
            "figure": self.figure,
            "value": (self.value * 1000.0).round() / 1000.0,
            "unit": self.unit,
            "floor": self.floor,
            "ok": ok,
        });
        writeln!(std::io::stdout().lock(), "{line}")?;
        Ok(ok)
    }
}

/// Prints all of them, and returns whether all are [`ok`](Figure::ok).
///
/// # Errors
/// Standard output cannot be written to.
pub fn print_all(figures: impl IntoIterator<Item = Figure>) -> std::io::Result<bool> {
    let mut ok = true;
    for figure in figures {
        ok &= figure.print()?;
    }
    Ok(ok)
}

/// How a bench ends: a promise that is not kept is a failure.
#[must_use]
pub fn exit(ok: bool) -> ExitCode {
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The median of the samples; not a number when there are none.
#[must_use]
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => samples[n / 2],
        n => f64::midpoint(samples[n / 2 - 1], samples[n / 2]),
    }
}

//! Figures with a floor, printed as one line of JSON each. A missed time is printed but is not a failure, since
//! machines are busy.

use std::io::Write as _;

use tagalong_bench::{Figure, Good};

/// Prints a figure that should not rise above its floor, and returns whether it does not.
///
/// # Errors
///
/// When standard output cannot be written to.
pub fn at_most(
    figure: &'static str,
    value: f64,
    unit: &'static str,
    floor: f64,
) -> std::io::Result<bool> {
    let figure = Figure {
        figure,
        value,
        unit,
        floor,
        good: Good::AtMost,
    };
    figure.print()
}

/// One line on the way, for whoever watches.
pub fn say(what: &str) {
    let mut error = std::io::stderr();
    // Nobody reads it: nothing to be done.
    let _ = writeln!(error, "{what}");
}

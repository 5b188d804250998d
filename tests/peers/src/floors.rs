//! The promised figures, checked against the records.

use std::io;

use tagalong_bench::{Figure, Good};

use crate::page::{Records, promised};

/// Prints them as JSON lines. False where one is missed or not measured.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(records: &Records) -> io::Result<bool> {
    let mut ok = true;
    let promised = promised(records);
    for (figure, value, floor, good) in [
        (
            "CPU per sample in process: expfmt ÷ tagalong, least of the captures",
            promised.over_expfmt,
            50.0,
            Good::AtLeast,
        ),
        (
            "CPU per sample in process: fastest peer as its users have it ÷ tagalong, least of the captures",
            promised.over_fastest,
            10.0,
            Good::AtLeast,
        ),
        (
            "peak memory on large: sidecar ÷ leanest peer process",
            promised.memory,
            0.1,
            Good::AtMost,
        ),
    ] {
        let unit = "ratio";
        ok &= Figure {
            figure,
            value,
            unit,
            floor,
            good,
        }
        .print()?;
    }
    Ok(ok)
}

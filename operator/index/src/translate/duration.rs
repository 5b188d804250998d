//! Durations as Gateway API writes them (GEP-2257), and as Go reads them.

/// The duration in whole milliseconds; none if the text is no duration.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|at| *at > 0)?;
        let (digits, behind) = rest.split_at(number);
        let unit = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        nanoseconds = nanoseconds.checked_add(part(digits, scale(unit)?)?)?;
        rest = behind;
    }
    u64::try_from(nanoseconds / 1_000_000).ok()
}

fn scale(unit: &str) -> Option<u128> {
    Some(match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" | "µs" | "μs" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

fn part(digits: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let mut sum = if whole.is_empty() {
        0
    } else {
        whole.parse::<u128>().ok()?.checked_mul(scale)?
    };
    let mut unit = scale;
    for digit in fraction.chars() {
        unit /= 10;
        sum = sum.checked_add(u128::from(digit.to_digit(10)?) * unit)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests;

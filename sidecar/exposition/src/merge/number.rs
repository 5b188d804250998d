//! What a number's text is worth. That it is a number is known.

/// Whether a 64-bit float holds it: Go's `ParseFloat`, and with it Prometheus, refuses the whole body for one that is out
/// of range. An exponent that no writer needs, or a number longer than any float's digits, is refused, too.
#[inline]
pub(super) fn fits(text: &[u8]) -> bool {
    // The largest float has 309 digits before the point; what is shorter and has no exponent is below it.
    text.len() < 309 && !text.iter().any(|byte| matches!(byte, b'e' | b'E')) || exponent_fits(text)
}

#[cold]
fn exponent_fits(text: &[u8]) -> bool {
    let finite = || value(text).is_finite();
    // The longest that is printed in full is the smallest float, with 1,074 digits behind the point.
    text.len() <= 1100 && exponent_length(text) <= 5 && (is_infinity(text) || finite())
}

fn exponent_length(text: &[u8]) -> usize {
    let exponent = text.iter().rposition(|byte| matches!(byte, b'e' | b'E'));
    exponent.map_or(0, |at| text.len() - at - 1)
}

fn is_infinity(text: &[u8]) -> bool {
    let unsigned = text
        .strip_prefix(b"+")
        .or_else(|| text.strip_prefix(b"-"))
        .unwrap_or(text);
    matches!(unsigned.first(), Some(b'i' | b'I'))
}

/// The number. NaN for what is none.
#[inline]
pub(super) fn value(text: &[u8]) -> f64 {
    if text.len() <= 15 && text.iter().all(u8::is_ascii_digit) {
        let digits = text.iter().fold(0, |sum: u64, digit| {
            10 * sum + u64::from(digit.wrapping_sub(b'0'))
        });
        #[allow(clippy::cast_precision_loss, reason = "fifteen digits are exact")]
        return digits as f64;
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse().unwrap_or(f64::NAN)
}

/// Whether a counter can have this value: it is a number, and not negative.
#[inline]
pub(super) fn can_count(text: &[u8]) -> bool {
    match text.first() {
        Some(b'n' | b'N') => false,
        Some(b'-') => value(text) >= 0.0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_can_hold() {
        let digits = |count: usize| "9".repeat(count);
        for (text, expected) in [
            ("1", true),
            ("1.7976931348623157e308", true),
            ("1.7976931348623159e308", false),
            ("1e309", false),
            ("-1e309", false),
            ("1e400", false),
            ("1e-400", true),
            ("0e99999", true),
            ("0e999999", false),
            ("1E0000000000000000001", false),
            ("+Inf", true),
            ("-infinity", true),
            ("NaN", true),
            (&digits(308), true),
            (&digits(309), false),
            (&format!("0.{}", digits(400)), true),
            (&format!("{}1", "0".repeat(2000)), false),
        ] {
            assert_eq!(fits(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn digits_are_read_as_the_standard_library_does() {
        for text in [
            "0",
            "7",
            "123456789012345",
            "1234567890123456",
            "1.5",
            "+Inf",
            "1e3",
        ] {
            let expected: f64 = text.parse().expect("a number");
            assert!(
                (value(text.as_bytes()) - expected).abs() < f64::EPSILON || expected.is_infinite()
            );
        }
        assert!(value(b"").to_bits() == 0 || value(b"").is_nan());
        assert!(value(b"+Inf").is_infinite() && value(b"x").is_nan());
    }

    #[test]
    fn what_counts_is_not_negative() {
        for (text, expected) in [
            ("1", true),
            ("-0", true),
            ("-1", false),
            ("nan", false),
            ("NaN", false),
            ("-Inf", false),
            ("+Inf", true),
        ] {
            assert_eq!(can_count(text.as_bytes()), expected, "{text}");
        }
    }
}

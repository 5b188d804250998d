//! Kubernetes quantities, as far as two of them must be compared.

/// One whole unit. A quantity has no part smaller than a nano (`resource.Quantity` rounds up to it).
const ONE: i128 = 1_000_000_000;

/// The value in billionths of a unit, or `None` for what is no quantity, is negative, or is beyond all reason.
///
/// The grammar is that of `k8s.io/apimachinery/pkg/api/resource.Quantity`: a decimal number, then a binary suffix, a
/// decimal suffix or an exponent.
pub(crate) fn nanos(text: &str) -> Option<i128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(multiplier(suffix)?)?;
    // Rounded up, as the API server does.
    Some(product.checked_add(scale - 1)? / scale)
}

fn multiplier(suffix: &str) -> Option<i128> {
    let binary = |power| Some(ONE * 1024_i128.pow(power));
    let decimal = |power| Some(ONE * 1000_i128.pow(power));
    match suffix {
        "" => Some(ONE),
        "n" => Some(1),
        "u" => Some(1_000),
        "m" => Some(1_000_000),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match u32::try_from(power) {
                Ok(power) if power <= 18 => Some(ONE * 10_i128.pow(power)),
                Ok(_) => None,
                Err(_) if power >= -9 => Some(ONE / 10_i128.pow(power.unsigned_abs())),
                Err(_) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests;

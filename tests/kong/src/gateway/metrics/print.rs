//! The text: HELP and TYPE before each family, bounds without their padding.

use super::store::Store;

pub(super) fn print(store: &Store) -> Vec<u8> {
    let mut out = String::new();
    let mut family = "";
    for (key, of, value) in store.iter() {
        if of.name != family {
            family = of.name;
            out.push_str(&format!(
                "# HELP kong_{family} {}\n# TYPE kong_{family} {}\n",
                of.help, of.kind
            ));
        }
        out.push_str("kong_");
        match key
            .rsplit_once(",le=\"")
            .filter(|_| !of.bounds.is_empty() && is_bucket(key, of.name))
        {
            Some((labels, padded)) => {
                let bound = padded
                    .trim_end_matches("\"}")
                    .trim_end_matches(".0")
                    .trim_start_matches('0');
                let bound = if bound == "Inf" { "+Inf" } else { bound };
                out.push_str(&format!("{labels},le=\"{bound}\"}}"));
            }
            None => out.push_str(key),
        }
        out.push_str(&format!(" {}\n", number(value)));
    }
    out.into_bytes()
}

fn is_bucket(key: &str, family: &str) -> bool {
    key.strip_prefix(family)
        .is_some_and(|rest| rest.starts_with("_bucket{"))
}

/// As LuaJIT's `%.14g` prints it: fourteen significant digits.
fn number(value: u64) -> String {
    if value < 100_000_000_000_000 {
        return value.to_string();
    }
    #[allow(clippy::cast_precision_loss, reason = "a Lua number is a double")]
    let text = format!("{:.13e}", value as f64);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{mantissa}e+{exponent:0>2}")
}

#[cfg(test)]
mod tests;

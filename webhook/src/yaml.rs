//! Writes YAML that every reader reads alike.
//!
//! kubectl reads YAML 1.1, where `off` and `1_000` are no texts. So a text stands without quotes only if it cannot be
//! anything else; else it stands as JSON, which is YAML, too.

use std::fmt::Write as _;

use serde_json::Value;

/// What YAML 1.1 takes for a boolean or null, in lower case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// One document. Fields are in the order of their names, as kubectl writes them.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let at = if is_block_list(value) {
                    indent
                } else {
                    indent + 2
                };
                let _written = write!(out, "{:indent$}{}:", "", scalar_text(key));
                below(out, value, at);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for item in list {
                let mut inner = String::new();
                block(&mut inner, item, indent + 2);
                let _written = write!(out, "{:indent$}- {}", "", inner.trim_start_matches(' '));
            }
        }
        scalar => {
            let _written = writeln!(out, "{:indent$}{}", "", flow(scalar));
        }
    }
}

fn below(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, value, indent);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            block(out, value, indent);
        }
        scalar => {
            let _written = writeln!(out, " {}", flow(scalar));
        }
    }
}

fn is_block_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty())
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        other => other.to_string(),
    }
}

fn scalar_text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            // JSON leaves them as they are, YAML does not take them.
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _written = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

#[cfg(test)]
mod tests;

//! Judges whether a sidecar did its job, line by line and with none of the sidecar's code.

use std::fmt;

use crate::example::{Service, Table};

/// What a body had.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Lines of Kong's that carry a Kubernetes Service's labels now.
    pub enriched: usize,
    /// Lines of Kong's that are the same, byte for byte.
    pub untouched: usize,
    /// Lines that the sidecar added about itself, at the end.
    pub own: usize,
}

/// Where a sidecar did something else.
#[derive(Debug)]
pub struct Difference {
    line: usize,
    expected: String,
    found: String,
}

impl std::error::Error for Difference {}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            expected,
            found,
        } = self;
        write!(
            f,
            "line {line} differs\n  expected  {expected}\n  found     {found}"
        )
    }
}

/// Compares what Kong said with what the sidecar made of it.
pub fn check(table: &Table, before: &[u8], after: &[u8]) -> Result<Verdict, Difference> {
    let mut verdict = Verdict {
        enriched: 0,
        untouched: 0,
        own: 0,
    };
    let mut found = lines(after);
    let mut number = 0;
    for line in lines(before) {
        number += 1;
        let labelled = labelled(table, line);
        let expected = labelled.as_deref().unwrap_or(line);
        let ours = found.next().unwrap_or_default();
        // Gauges such as memory do not move in a capture, so that every byte can be asked for.
        if ours != expected {
            return Err(difference(number, expected, ours));
        }
        if labelled.is_some() {
            verdict.enriched += 1;
        } else {
            verdict.untouched += 1;
        }
    }
    for line in found {
        number += 1;
        let text = String::from_utf8_lossy(line);
        let subject = text
            .strip_prefix("# HELP ")
            .or_else(|| text.strip_prefix("# TYPE "))
            .unwrap_or(&text);
        if !subject.starts_with("tagalong_sidecar_") {
            return Err(difference(
                number,
                b"a tagalong_sidecar_ family or the end",
                line,
            ));
        }
        verdict.own += 1;
    }
    if verdict.enriched == 0 {
        return Err(difference(0, b"enriched lines", b"none"));
    }
    Ok(verdict)
}

/// The line with a Service's labels, if it has a Kong name that the table knows.
pub fn labelled(table: &Table, line: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let (family, rest) = text.split_once('{')?;
    let (label, value) = rest.split_once("=\"")?;
    let (kong, _) = value.split_once('"')?;
    let service = table.services.get(kong)?;
    let renamed = match label {
        "service" => "kong_",
        "upstream" if family == "kong_upstream_target_health" => "",
        _ => return None,
    };
    Some(format!("{family}{{{}{renamed}{rest}", labels(service)).into_bytes())
}

/// The labels of the contract, as they stand in front of Kong's.
pub fn labels(Service { namespace, name }: &Service) -> String {
    format!(
        "namespace=\"{namespace}\",service=\"{name}\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
         kubernetes_name=\"{name}\",kubernetes_namespace=\"{namespace}\","
    )
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|byte| *byte == b'\n')
}

fn difference(line: usize, expected: &[u8], found: &[u8]) -> Difference {
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Difference {
        line,
        expected: text(expected),
        found: text(found),
    }
}

#[cfg(test)]
mod tests;

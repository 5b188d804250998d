//! The same rewriter, written to be obviously right instead of fast: for tests, fuzzing and benches.
//!
//! It holds the whole exposition, cuts it into lines, reads each from its first byte to its last with its own reader,
//! and builds every label anew. Nothing here is shared with the real one but the types of the options and the figures, and
//! the list of the added labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::added::{ADDED, Value};
use crate::{Keep, Options, Stats};

/// A line as a list of labels: name, where the name starts, and the value as it is escaped.
pub(crate) type Labels<'a> = Vec<(&'a [u8], usize, &'a [u8])>;

/// Kong's names and the Kubernetes Services (namespace, name) they stand for.
#[derive(Clone, Debug, Default)]
pub struct NaiveTable {
    /// By the name of Kong's service.
    pub services: BTreeMap<String, (String, String)>,
    /// By the name of Kong's upstream.
    pub upstreams: BTreeMap<String, (String, String)>,
    /// Names of Kong's services that could stand for two, whatever else is said of them.
    pub ambiguous_services: BTreeSet<String>,
    /// Names of Kong's upstreams that could.
    pub ambiguous_upstreams: BTreeSet<String>,
}

/// Rewrites a whole exposition, and counts.
#[must_use]
pub fn rewrite(options: Options, table: &NaiveTable, text: &[u8]) -> (Vec<u8>, Stats) {
    let mut out = Vec::new();
    let mut stats = Stats {
        bytes_in: text.len() as u64,
        ..Stats::default()
    };
    // What has been read of a sample that has not come to an end with its line.
    let mut unfinished: Vec<u8> = Vec::new();
    let mut held: Vec<(String, Vec<u8>, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let mut rewritten = line.to_vec();
        let mut keep = options.keep == Keep::All;
        stats.lines += 1;

        let continues = !unfinished.is_empty();
        unfinished.extend_from_slice(content);
        let ends_in_value = ends_in_value(&unfinished);
        let sample = if continues { None } else { sample(content) };

        if content.len() > options.max_line {
            stats.over_long += 1;
        } else if let Some((name, labels)) = sample {
            stats.samples += 1;
            if let Some(enriched) = enrich(table, name, &labels, line, &mut stats) {
                rewritten = enriched;
                keep = true;
                if options.keep == Keep::Enriched
                    && held.iter().any(|(_, family, _)| owns(family, name))
                {
                    out.extend(held.drain(..).flat_map(|(_, _, line)| line));
                }
            }
        } else if continues {
            stats.unparsed += 1;
        } else if let Some(b'#') = content.trim_ascii_start_blanks().first() {
            if let Some((kind, family)) = metadata(content) {
                if held.iter().any(|(_, other, _)| other != family) {
                    held.clear();
                }
                if held.iter().all(|(other, ..)| *other != kind) {
                    held.push((kind, family.to_vec(), line.to_vec()));
                }
            }
            keep |= content.trim_ascii_end() == b"# EOF";
        } else if !content.trim_ascii_start_blanks().is_empty() {
            stats.unparsed += 1;
        }

        if keep {
            out.extend_from_slice(&rewritten);
        }
        if ends_in_value {
            unfinished.push(b'\n');
        } else {
            unfinished.clear();
        }
    }
    stats.bytes_out = out.len() as u64;
    (out, stats)
}

fn enrich(
    table: &NaiveTable,
    name: &[u8],
    labels: &Labels<'_>,
    line: &[u8],
    stats: &mut Stats,
) -> Option<Vec<u8>> {
    let upstream = name == b"kong_upstream_target_health";
    let (key, known, ambiguous) = if upstream {
        ("upstream", &table.upstreams, &table.ambiguous_upstreams)
    } else {
        ("service", &table.services, &table.ambiguous_services)
    };
    let of_name = |wanted: &str| {
        labels
            .iter()
            .filter(|(name, ..)| *name == wanted.as_bytes())
            .count()
    };
    let (_, at, value) = *labels.iter().find(|(name, ..)| *name == key.as_bytes())?;
    let mut added: Vec<_> = ADDED.iter().map(|(name, _)| *name).collect();
    if !upstream {
        added.retain(|name| *name != "service");
        added.push("kong_service");
    }
    if of_name(key) > 1 || added.iter().any(|name| of_name(name) > 0) {
        stats.already_labelled += 1;
        return None;
    }
    let name = unescaped(value);
    if name.as_ref().is_some_and(|name| ambiguous.contains(name)) {
        stats.ambiguous += u64::from(!value.is_empty());
        return None;
    }
    let Some((namespace, service)) = name.and_then(|name| known.get(&name)) else {
        stats.unknown += u64::from(!value.is_empty());
        return None;
    };
    stats.enriched += 1;
    let mut labels = String::new();
    for (name, value) in ADDED {
        let value = match value {
            Value::Namespace => escape(namespace),
            Value::Name => escape(service),
            Value::Constant(value) => value.to_owned(),
        };
        labels += &format!("{name}=\"{value}\",");
    }
    labels += if upstream { "" } else { "kong_" };
    Some([&line[..at], labels.as_bytes(), &line[at..]].concat())
}

fn unescaped(escaped: &[u8]) -> Option<String> {
    let escaped = std::str::from_utf8(escaped).ok()?;
    let mut name = String::new();
    let mut rest = escaped.chars();
    while let Some(char) = rest.next() {
        name.push(match char {
            '\\' => rest
                .next()
                .map(|char| if char == 'n' { '\n' } else { char })?,
            char => char,
        });
    }
    // There is more than one way to escape a name, and the table knows one of them.
    (escape(&name) == escaped).then_some(name)
}

pub(crate) fn escape(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

/// A reader that takes one thing after the other from the front of a line.
pub(crate) struct Input<'a> {
    pub line: &'a [u8],
    pub at: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        &self.line[start..self.at]
    }

    pub(crate) fn blanks(&mut self) -> bool {
        !self
            .take_while(|byte| byte == b' ' || byte == b'\t')
            .is_empty()
    }

    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    pub(crate) fn name(&mut self, colon: bool) -> Option<&'a [u8]> {
        let first = self.peek()?;
        let part =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
        (part(first) && !first.is_ascii_digit()).then(|| self.take_while(part))
    }

    /// A quoted value. `Err` if the line ends in it.
    pub(crate) fn quoted(&mut self) -> Option<Result<&'a [u8], ()>> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                None => return Some(Err(())),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Some(Ok(&self.line[start..self.at - 1]))
    }

    /// The labels behind an opening brace. `Err` if the line ends in a value.
    pub(crate) fn labels(&mut self) -> Option<Result<Labels<'a>, ()>> {
        let mut labels = Vec::new();
        loop {
            self.blanks();
            if self.take(b'}').is_some() {
                return Some(Ok(labels));
            }
            let at = self.at;
            let name = self.name(false)?;
            self.blanks();
            self.take(b'=')?;
            self.blanks();
            match self.quoted()? {
                Ok(value) => labels.push((name, at, value)),
                Err(()) => return Some(Err(())),
            }
            self.blanks();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Ok(labels));
            }
        }
    }

    /// What is not blank.
    pub(crate) fn word(&mut self) -> &'a [u8] {
        self.take_while(|byte| byte != b' ' && byte != b'\t')
    }
}

/// The metric's name and the labels, if the line is a sample.
fn sample(line: &[u8]) -> Option<(&[u8], Labels<'_>)> {
    let mut input = Input { line, at: 0 };
    input.blanks();
    let name = input.name(true)?;
    let blank = input.blanks();
    let labels = if input.take(b'{').is_some() {
        let labels = input.labels()?.ok()?;
        input.blanks();
        labels
    } else if blank {
        Vec::new()
    } else {
        return None;
    };
    number(input.word(), true).then_some(())?;
    input.blanks();
    if input.peek().is_some_and(|byte| byte != b'#') {
        number(input.word(), false).then_some(())?;
        input.blanks();
    }
    if input.take(b'#').is_some() {
        input.blanks();
        input.take(b'{')?;
        input.labels()?.ok()?;
        input.blanks();
        number(input.word(), true).then_some(())?;
        input.blanks();
        if input.peek().is_some() {
            number(input.word(), false).then_some(())?;
            input.blanks();
        }
    }
    input.peek().is_none().then_some((name, labels))
}

/// Whether the text, which starts as a line does, ends inside of a label's value.
pub(crate) fn ends_in_value(text: &[u8]) -> bool {
    let mut input = Input { line: text, at: 0 };
    input.blanks();
    if input.name(true).is_none() {
        return false;
    }
    input.blanks();
    input.take(b'{').is_some() && matches!(input.labels(), Some(Err(())))
}

pub(crate) fn number(word: &[u8], special: bool) -> bool {
    let Ok(word) = std::str::from_utf8(word) else {
        return false;
    };
    let lower = word.to_lowercase();
    if [
        "inf",
        "+inf",
        "-inf",
        "infinity",
        "+infinity",
        "-infinity",
        "nan",
    ]
    .contains(&lower.as_str())
    {
        return special;
    }
    // Rust's floats are those of the format, but for the words above and for `+nan` and `-nan`.
    !lower.contains('n') && word.parse::<f64>().is_ok()
}

pub(crate) fn metadata(line: &[u8]) -> Option<(String, &[u8])> {
    let mut input = Input { line, at: 0 };
    input.blanks();
    input.take(b'#')?;
    input.blanks();
    let kind = String::from_utf8(input.word().to_vec()).ok()?;
    if !["HELP", "TYPE", "UNIT"].contains(&kind.as_str()) || !input.blanks() {
        return None;
    }
    let name = input.name(true)?;
    (input.peek().is_none() || input.blanks()).then_some((kind, name))
}

fn owns(family: &[u8], sample: &[u8]) -> bool {
    [
        "", "_bucket", "_count", "_sum", "_total", "_created", "_gcount", "_gsum",
    ]
    .iter()
    .any(|suffix| [family, suffix.as_bytes()].concat() == sample)
}

trait TrimBlanks {
    fn trim_ascii_start_blanks(&self) -> &[u8];
}

impl TrimBlanks for [u8] {
    /// Without the blanks and tabs in front; `trim_ascii_start` takes other control characters too.
    fn trim_ascii_start_blanks(&self) -> &[u8] {
        let start = self
            .iter()
            .position(|byte| *byte != b' ' && *byte != b'\t')
            .unwrap_or(self.len());
        &self[start..]
    }
}

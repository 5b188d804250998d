//! One line of text format 0.0.4, read strictly: what is passed on must be valid.

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing, or a comment.
    Empty,
    /// Not what the format allows.
    Broken,
    /// `# HELP name text`.
    Help(&'a [u8], &'a [u8]),
    /// `# TYPE name kind`.
    Type(&'a [u8], &'a [u8]),
    /// A sample.
    Sample(Sample<'a>),
}

/// A sample.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub name: &'a [u8],
    /// Each label's name, with `name="value"` as written.
    labels: Vec<(&'a [u8], &'a [u8])>,
    /// The value, and the timestamp if there is one, as written.
    rest: &'a [u8],
}

impl Sample<'_> {
    /// Whether it has a label of that name.
    pub fn has(&self, name: &[u8]) -> bool {
        self.labels.iter().any(|(label, _)| *label == name)
    }

    /// Name and labels in a fixed order: equal for the same series.
    pub fn series(&self) -> Vec<u8> {
        let mut pairs: Vec<&[u8]> = self.labels.iter().map(|(_, pair)| *pair).collect();
        pairs.sort_unstable();
        let mut series = self.name.to_vec();
        for pair in pairs {
            series.push(b',');
            series.extend_from_slice(pair);
        }
        series
    }

    /// Appends the sample as a line, with `labels` in front of its own.
    pub fn write(&self, labels: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        if !labels.is_empty() || !self.labels.is_empty() {
            out.push(b'{');
            out.extend_from_slice(labels);
            for (i, (_, pair)) in self.labels.iter().enumerate() {
                if i > 0 || !labels.is_empty() {
                    out.push(b',');
                }
                out.extend_from_slice(pair);
            }
            out.push(b'}');
        }
        out.push(b' ');
        out.extend_from_slice(self.rest);
        out.push(b'\n');
    }
}

/// Reads a line without its newline.
pub(super) fn parse(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii();
    match line.first() {
        None => Line::Empty,
        Some(b'#') => comment(line),
        Some(_) => sample(line).map_or(Line::Broken, Line::Sample),
    }
}

fn comment(line: &[u8]) -> Line<'_> {
    let rest = line.strip_prefix(b"#").unwrap_or(line).trim_ascii_start();
    let (keyword, rest) = word(rest);
    let (name, text) = word(rest.trim_ascii_start());
    let text = text.trim_ascii_start();
    match keyword {
        b"HELP" | b"TYPE" if !is_name(name, true) || std::str::from_utf8(text).is_err() => {
            Line::Broken
        }
        b"HELP" => Line::Help(name, text),
        b"TYPE" => match text {
            b"counter" | b"gauge" | b"histogram" | b"summary" | b"untyped" => {
                Line::Type(name, text)
            }
            _ => Line::Broken,
        },
        _ => Line::Empty,
    }
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    text.split_at(end.unwrap_or(text.len()))
}

fn is_name(name: &[u8], colons: bool) -> bool {
    let fits =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || (colons && *byte == b':');
    name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(fits)
}

fn sample(line: &[u8]) -> Option<Sample<'_>> {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b'{' | b' ' | b'\t'))?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, true) {
        return None;
    }
    rest = rest.trim_ascii_start();
    let mut labels: Vec<(&[u8], &[u8])> = Vec::new();
    if let Some(inside) = rest.strip_prefix(b"{") {
        let mut inside = inside.trim_ascii_start();
        loop {
            if let Some(after) = inside.strip_prefix(b"}") {
                rest = after;
                break;
            }
            let end = inside.iter().position(|byte| *byte == b'=')?;
            let label = inside[..end].trim_ascii_end();
            let spaced = label.len() != end || inside.get(end + 1) != Some(&b'"');
            // Spaces around `=` are allowed and never seen: to pass them on would make two of one series.
            if spaced || !is_name(label, false) || labels.iter().any(|(other, _)| *other == label) {
                return None;
            }
            let close = end + 2 + closing_quote(&inside[end + 2..])?;
            let pair = &inside[..=close];
            std::str::from_utf8(pair).ok()?;
            labels.push((label, pair));
            inside = inside[close + 1..].trim_ascii_start();
            match inside.first()? {
                b',' => inside = inside[1..].trim_ascii_start(),
                b'}' => {}
                _ => return None,
            }
        }
    }
    let rest = rest.trim_ascii();
    let mut words = rest
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let value = std::str::from_utf8(words.next()?).ok()?;
    value.parse::<f64>().ok()?;
    if let Some(time) = words.next() {
        std::str::from_utf8(time).ok()?.parse::<i64>().ok()?;
    }
    words
        .next()
        .is_none()
        .then_some(Sample { name, labels, rest })
}

/// Where a label's value ends; none if it does not, or is escaped in a way that there is not.
fn closing_quote(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match value.get(at)? {
            b'"' => return Some(at),
            b'\\' => match value.get(at + 1)? {
                b'\\' | b'"' | b'n' => at += 2,
                _ => return None,
            },
            _ => at += 1,
        }
    }
}

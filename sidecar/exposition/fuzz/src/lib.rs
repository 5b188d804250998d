//! What each target does with its bytes: run the real rewriter and the naive one, and fail where they differ.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use tagalong_exposition::merge::{self, Format, Merger, MergeSource};
use tagalong_exposition::naive::{self, NaiveTable};
use tagalong_exposition::{Keep, LabelTable, Options, Rewriter};

/// Any bytes, with a table of names that the seeds use.
pub fn raw(text: &[u8]) {
    for keep in [Keep::All, Keep::Enriched] {
        agrees(
            Options {
                keep,
                ..Options::default()
            },
            &known(),
            text,
            &[],
        );
    }
}

/// Any bytes, cut anywhere, under any limit.
#[derive(Arbitrary, Debug)]
pub struct Cuts<'a> {
    lengths: Vec<u8>,
    max_line: u8,
    enriched: bool,
    text: &'a [u8],
}

/// Runs [`Cuts`].
pub fn cuts(input: &Cuts<'_>) {
    let keep = if input.enriched {
        Keep::Enriched
    } else {
        Keep::All
    };
    let options = Options {
        max_line: usize::from(input.max_line),
        keep,
    };
    agrees(options, &known(), input.text, &input.lengths);
}

/// A line that is nearly a sample.
#[derive(Arbitrary, Debug)]
pub enum Line<'a> {
    /// A sample.
    Sample(Name, Vec<(Label, Value<'a>)>, Tail),
    /// Buckets that differ in their last label.
    Buckets(Value<'a>, Vec<(Value<'a>, u16)>),
    /// A comment.
    Comment(Name, u8),
    /// Anything else.
    Other(&'a str),
}

/// A metric's name.
#[derive(Arbitrary, Debug)]
#[allow(missing_docs)]
pub enum Name {
    Bucket,
    Family,
    Upstream,
    Empty,
}

/// A label's name.
#[derive(Arbitrary, Debug)]
#[allow(missing_docs)]
pub enum Label {
    Service,
    Upstream,
    Le,
    Route,
    Namespace,
    KongService,
}

/// A label's value.
#[derive(Arbitrary, Debug)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Known,
    Number(u16),
    Text(&'a str),
    Raw(&'a str),
}

/// What stands behind the labels.
#[derive(Arbitrary, Debug)]
#[allow(missing_docs)]
pub enum Tail {
    Integer(u32),
    Float(f64),
    Timestamp(i64),
    Exemplar,
    Nothing,
}

/// Writes the lines down, and rewrites them.
pub fn structured(lines: &[Line<'_>]) {
    let mut text = String::new();
    for line in lines {
        match line {
            Line::Sample(name, labels, tail) => {
                let labels: Vec<_> = labels
                    .iter()
                    .map(|(label, value)| format!("{}=\"{}\"", label.text(), value.text()))
                    .collect();
                text += &format!("{}{{{}}} {}", name.text(), labels.join(","), tail.text());
            }
            Line::Buckets(service, buckets) => {
                for (le, count) in buckets {
                    text += &format!(
                        "m_bucket{{service=\"{}\",le=\"{}\"}} {count}\n",
                        service.text(),
                        le.text()
                    );
                }
                continue;
            }
            Line::Comment(name, kind) => {
                text += &format!(
                    "# {} {} text",
                    ["HELP", "TYPE", "UNIT", "no"][usize::from(kind % 4)],
                    name.text()
                );
            }
            Line::Other(line) => text += line,
        }
        text.push('\n');
    }
    raw(text.as_bytes());
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Self::Bucket => "m_bucket",
            Self::Family => "m",
            Self::Upstream => "kong_upstream_target_health",
            Self::Empty => "",
        }
    }
}

impl Label {
    fn text(&self) -> &str {
        match self {
            Self::Service => "service",
            Self::Upstream => "upstream",
            Self::Le => "le",
            Self::Route => "route",
            Self::Namespace => "namespace",
            Self::KongService => "kong_service",
        }
    }
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Known => "httproute.default.echo.0".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => escape(text),
            Self::Raw(text) => (*text).to_owned(),
        }
    }
}

impl Tail {
    fn text(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Timestamp(time) => format!("1 {time}"),
            Self::Exemplar => "1 # {service=\"httproute.default.echo.0\"} 2".to_owned(),
            Self::Nothing => String::new(),
        }
    }
}

/// Any table, and an exposition that uses it.
pub type Entries = Vec<(String, String, String)>;

/// Runs a table: every name in it, as it must be escaped, is on a line.
pub fn table(services: Entries, upstreams: Entries) {
    let mut text = String::new();
    for (kong, ..) in services.iter().chain(&upstreams) {
        let kong = escape(kong);
        text += &format!(
            "m{{service=\"{kong}\"}} 1\nkong_upstream_target_health{{upstream=\"{kong}\"}} 1\n"
        );
    }
    let map = |entries: Entries| -> BTreeMap<_, _> {
        entries
            .into_iter()
            .map(|(kong, ns, name)| (kong, (ns, name)))
            .collect()
    };
    let table = NaiveTable {
        services: map(services),
        upstreams: map(upstreams),
        ..NaiveTable::default()
    };
    agrees(Options::default(), &table, text.as_bytes(), &[]);
    let all = table.services.len() + table.upstreams.len();
    let (_, stats) = naive::rewrite(Options::default(), &table, text.as_bytes());
    assert!(
        stats.enriched as usize
            + usize::from(table.services.contains_key(""))
            + usize::from(table.upstreams.contains_key(""))
            >= all
    );
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

/// The names that the captures, and the lines above, use most.
fn known() -> NaiveTable {
    let echo = || ("default".to_owned(), "echo".to_owned());
    let services = [
        "httproute.default.echo.0",
        "s",
        "default.echo.80",
        "a",
        "a.b",
        "1",
        "2",
    ];
    let upstreams = ["echo.default.80.svc", "httproute.default.echo.0", "s"];
    let ambiguous = || ["3", "b"].map(str::to_owned).into_iter().collect();
    NaiveTable {
        services: services
            .into_iter()
            .map(|name| (name.to_owned(), echo()))
            .collect(),
        upstreams: upstreams
            .into_iter()
            .map(|name| (name.to_owned(), echo()))
            .collect(),
        ambiguous_services: ambiguous(),
        ambiguous_upstreams: ambiguous(),
    }
}

fn agrees(options: Options, table: &NaiveTable, text: &[u8], lengths: &[u8]) {
    let expected = naive::rewrite(options, table, text);
    let mut built = LabelTable::builder();
    for (kong, (namespace, name)) in &table.services {
        built = built.service(kong, namespace, name);
    }
    for (kong, (namespace, name)) in &table.upstreams {
        built = built.upstream(kong, namespace, name);
    }
    for kong in &table.ambiguous_services {
        built.set_ambiguous_service(kong);
    }
    for kong in &table.ambiguous_upstreams {
        built.set_ambiguous_upstream(kong);
    }
    let table = built.build();
    let mut rewriter = Rewriter::new(options);
    let mut out = Vec::new();
    let mut rest = text;
    for length in lengths {
        let (chunk, after) = rest.split_at(usize::from(*length).min(rest.len()));
        rewriter.push(&table, chunk, &mut out);
        rest = after;
    }
    rewriter.push(&table, rest, &mut out);
    rewriter.finish(&table, &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&expected.0)
    );
    assert_eq!(out, expected.0);
    assert_eq!(rewriter.stats(), expected.1);
}

/// What several sources send, cut anywhere, under any limit.
#[derive(Arbitrary, Debug)]
pub struct Merge<'a> {
    lengths: Vec<u8>,
    max_line: u8,
    openmetrics: bool,
    /// The value of each source's label, and what it sends.
    sources: Vec<(u8, &'a [u8])>,
}

/// Runs [`Merge`].
pub fn merge(input: &Merge<'_>) {
    let format = if input.openmetrics {
        Format::OpenMetrics
    } else {
        Format::Text
    };
    let max_line = usize::from(input.max_line);
    let sent: Vec<_> = input
        .sources
        .iter()
        .map(|(pod, text)| {
            (
                vec![("pod".to_owned(), char::from(*pod).to_string())],
                text.to_vec(),
            )
        })
        .collect();
    let expected = merge::naive::merge(format, max_line, &sent);
    let mut merger = Merger::default();
    let mut each = Vec::new();
    for (labels, text) in &sent {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut source = MergeSource::new(&labels, max_line);
        let mut rest = text.as_slice();
        for length in &input.lengths {
            let (chunk, after) = rest.split_at(usize::from(*length).min(rest.len()));
            source.push(chunk);
            rest = after;
        }
        source.push(rest);
        source.finish();
        each.push(source.stats());
        merger.add(source);
    }
    let mut merged = merger.finish(format);
    let mut out = Vec::new();
    while merged.next(&mut out) {}
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&expected.0)
    );
    assert_eq!((each, merged.stats()), (expected.1, expected.2));
    assert!(std::str::from_utf8(&out).is_ok());
}

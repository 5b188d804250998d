//! What a sample says that a summary is made of.

use tagalong_exposition::ObservedSample;
use tagalong_wire::BOUNDS;

/// One of the numbers of a series: [`COUNT`] and so on.
pub(super) type Field = usize;

/// Ended requests: `kong_request_latency_ms_count`.
pub(super) const ARRIVALS: Field = 0;
/// How long they took: `kong_request_latency_ms_sum`.
pub(super) const REQUEST_SUM: Field = 1;
/// Requests that reached the backend: `kong_upstream_latency_ms_count`.
pub(super) const COUNT: Field = 2;
/// How long they waited: `kong_upstream_latency_ms_sum`.
pub(super) const SUM: Field = 3;
/// The first bucket of `kong_upstream_latency_ms`, by [`BOUNDS`].
pub(super) const BUCKETS: Field = 4;
/// How many numbers a series has.
pub(super) const FIELDS: usize = BUCKETS + BOUNDS.len();

const REQUEST: &[u8] = b"kong_request_latency_ms_";
const UPSTREAM: &[u8] = b"kong_upstream_latency_ms_";
const NGINX: &[u8] = b"kong_nginx_";

/// What is beyond is not a number that Kong has counted to; a 64-bit float is exact up to here.
const MOST: u64 = 1 << 53;

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// A number of a series, which `key` names among all.
    Series {
        key: &'a [u8],
        field: Field,
        value: u64,
    },
    /// `kong_nginx_requests_total` of HTTP.
    Requests { node: &'a [u8], value: u64 },
    /// `kong_nginx_connections_total` of HTTP, by its state.
    Connections { state: &'a [u8], value: u64 },
    /// Nothing that is wanted.
    Other,
    /// It should say something, but cannot be read.
    Broken,
}

/// Whether a line that is no sample should have been one of those that are read here.
pub(super) fn is_missed(line: &[u8]) -> bool {
    [REQUEST, UPSTREAM]
        .iter()
        .any(|prefix| line.starts_with(prefix))
}

/// Reads a sample. Kong writes its labels always in the same order and without blanks, with `le` last.
#[inline]
pub(super) fn read<'a>(seen: &ObservedSample<'a>) -> Reading<'a> {
    let line = seen.line;
    if let Some(rest) = line.strip_prefix(UPSTREAM) {
        match rest.first() {
            Some(b'b') => bucket(seen),
            _ => scalar(seen, rest, [SUM, COUNT]),
        }
    } else if let Some(rest) = line.strip_prefix(REQUEST) {
        match rest.first() {
            // The most of its lines, and nobody asks for them.
            Some(b'b') => Reading::Other,
            _ => scalar(seen, rest, [REQUEST_SUM, ARRIVALS]),
        }
    } else if line.starts_with(NGINX) {
        nginx(seen)
    } else {
        Reading::Other
    }
}

fn scalar<'a>(seen: &ObservedSample<'a>, rest: &[u8], [sum, count]: [Field; 2]) -> Reading<'a> {
    let field = if rest.starts_with(b"sum{") {
        sum
    } else if rest.starts_with(b"count{") {
        count
    } else {
        return Reading::Other;
    };
    let key = seen.line.get(seen.labels..seen.after - 1);
    match key.zip(value(seen)) {
        Some((key, value)) => Reading::Series { key, field, value },
        None => Reading::Broken,
    }
}

fn bucket<'a>(seen: &ObservedSample<'a>) -> Reading<'a> {
    let read = || {
        let bound = seen.line.get(seen.last..)?.strip_prefix(b"le=\"")?;
        let bound = bound.get(..bound.iter().position(|byte| *byte == b'"')?)?;
        let key = seen.line.get(seen.labels..seen.last.checked_sub(1)?)?;
        Some((key, bound, value(seen)?))
    };
    match read() {
        None => Reading::Broken,
        Some((key, bound, value)) => match field(bound, 0) {
            Some(field) => Reading::Series { key, field, value },
            None => Reading::Other,
        },
    }
}

/// The bucket of a bound, which is likely this one or a later one.
#[inline]
pub(super) fn field(bound: &[u8], likely: usize) -> Option<Field> {
    let is = |at: &usize| BOUNDS.get(*at).is_some_and(|text| text.as_bytes() == bound);
    (likely..BOUNDS.len())
        .chain(0..likely)
        .find(is)
        .map(|at| BUCKETS + at)
}

/// The number of a sample.
#[inline]
fn value(seen: &ObservedSample<'_>) -> Option<u64> {
    number(seen.line.get(seen.after..)?.strip_prefix(b" ")?)
}

/// A number that something was counted to; a fraction of a millisecond is rounded.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if (1..=15).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(
            text.iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
        );
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let fits = number >= 0.0 && number <= MOST as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits"
    )]
    fits.then(|| number.round() as u64)
}

#[cold]
fn nginx<'a>(seen: &ObservedSample<'a>) -> Reading<'a> {
    let line = seen.line;
    let label = |name: &[u8]| -> Option<&'a [u8]> {
        let labels = line.get(seen.labels..seen.after)?;
        labels.split(|byte| *byte == b',').find_map(|label| {
            let label = label.strip_suffix(b"}").unwrap_or(label);
            label.strip_prefix(name)?.strip_suffix(b"\"")
        })
    };
    if label(b"subsystem=\"") != Some(b"http") {
        return Reading::Other;
    }
    if line.starts_with(b"kong_nginx_requests_total{") {
        return match label(b"node_id=\"").zip(value(seen)) {
            Some((node, value)) => Reading::Requests { node, value },
            None => Reading::Broken,
        };
    }
    if !line.starts_with(b"kong_nginx_connections_total{") {
        return Reading::Other;
    }
    match label(b"state=\"").zip(value(seen)) {
        Some((state, value)) => Reading::Connections { state, value },
        None => Reading::Other,
    }
}

//! Content negotiation: a scraper's preferred format, whether it accepts gzip, and its timeout.
//!
//! Header values come as text, one item for each line of a header. The caller leaves out lines that are not text.

use std::time::Duration;

use crate::merge::Format;

/// The header in which Prometheus and the OpenTelemetry collector send their timeout, in seconds.
pub const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
/// The timeout of a scraper that sends none: Prometheus' default.
pub const USUAL: Duration = Duration::from_secs(10);
/// The longest timeout that is honoured. A large Kong under load takes a minute and more (Kong/charts#828).
pub const LONGEST: Duration = Duration::from_secs(120);

/// Parses the value of [`TIMEOUT_HEADER`], and limits it to [`LONGEST`]. None if it is not a positive number of seconds.
#[must_use]
pub fn timeout(value: &str) -> Option<Duration> {
    let seconds = value.trim().parse::<f64>().ok()?;
    let usable = seconds.is_finite() && seconds > 0.0;
    usable.then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

/// Whether `Accept-Encoding` accepts gzip (RFC 9110 §12.5.3). Without the header, it does not.
pub fn accepts_gzip<'a>(accept_encoding: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut gzip, mut any) = (None, None);
    for item in items(accept_encoding) {
        if item.is("gzip") || item.is("x-gzip") {
            gzip = Some(item.quality());
        } else if item.is("*") {
            any = Some(item.quality());
        }
    }
    gzip.or(any).is_some_and(|quality| quality > 0.0)
}

/// What a scraper accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    preferred: Format,
    text: bool,
}

impl Accepted {
    /// The format to answer in. `whole` tells whether OpenMetrics can say all that text format can
    /// ([`Merger::is_whole`](crate::merge::Merger::is_whole)); where it cannot, a scraper that takes text gets that.
    #[must_use]
    pub fn format(self, whole: bool) -> Format {
        if !whole && self.text {
            Format::Text
        } else {
            self.preferred
        }
    }
}

/// What `Accept` says (RFC 9110 §12.5.1). OpenMetrics is preferred only if it is named, in the version that is written here,
/// and no text format is preferred to it; otherwise text is, whether or not it is acceptable.
pub fn accepted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Accepted {
    let (mut open, mut text, mut any_text, mut any) = (None, None, None, None);
    for item in items(accept) {
        let known = |ours: &str| {
            item.parameter("version")
                .is_none_or(|version| version == ours)
        };
        let quality = if item.is("application/openmetrics-text") && known("1.0.0") {
            &mut open
        } else if item.is("text/plain") && known("0.0.4") {
            &mut text
        } else if item.is("text/*") {
            &mut any_text
        } else if item.is("*/*") {
            &mut any
        } else {
            continue;
        };
        *quality = Some(item.quality());
    }
    let text = text.or(any_text).or(any).unwrap_or(0.0);
    let preferred = match open {
        Some(open) if open > 0.0 && open >= text => Format::OpenMetrics,
        _ => Format::Text,
    };
    Accepted {
        preferred,
        text: text > 0.0,
    }
}

/// One item of a header's list.
#[derive(Clone, Copy)]
struct Item<'a> {
    name: &'a str,
    parameters: &'a str,
}

/// The items of all lines of a header.
fn items<'a>(lines: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Item<'a>> {
    let items = lines.into_iter().flat_map(|line| line.split(','));
    items.map(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let name = name.trim();
        Item { name, parameters }
    })
}

impl<'a> Item<'a> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self
            .parameters
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim().trim_matches('"'))
    }

    /// Its weight `q`, from 0 (not acceptable) to 1. One that cannot be parsed is 0.
    fn quality(&self) -> f32 {
        self.parameter("q").map_or(1.0, |value| {
            let quality = value.parse::<f32>().ok().filter(|quality| *quality > 0.0);
            quality.map_or(0.0, |quality| quality.min(1.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positive_timeouts() {
        for (value, expected) in [
            ("9.5", Some(9.5)),
            (" 2.5 ", Some(2.5)),
            ("90", Some(90.0)),
            ("600", Some(120.0)),
            ("0.001", Some(0.001)),
            ("0", None),
            ("-3", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
        ] {
            assert_eq!(
                timeout(value).map(|time| time.as_secs_f64()),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn gzip_only_where_it_is_asked_for() {
        for yes in [
            "gzip",
            "GZIP",
            "deflate, gzip;q=0.5",
            "x-gzip",
            "*",
            "br;q=1, *;q=0.1",
            "identity;q=0, gzip",
            "gzip ; q=1",
        ] {
            assert!(accepts_gzip([yes]), "{yes}");
        }
        for no in [
            "",
            "identity",
            "gzip;q=0",
            "gzip;Q=0",
            "gzip; q = 0",
            "gzip;q=0.0000",
            "gzip; Q=0.000",
            "gzip;q=0, *",
            "*;q=0",
            "deflate, br",
            "gzipped",
            "gzip;q=x",
            "gzip;q=NaN",
        ] {
            assert!(!accepts_gzip([no]), "{no}");
        }
        assert!(accepts_gzip(["br", "gzip"]), "the second line counts, too");
        assert!(!accepts_gzip([]));
    }

    fn format<'a>(accept: impl IntoIterator<Item = &'a str>) -> Format {
        accepted(accept).format(true)
    }

    #[test]
    fn who_takes_text_too_gets_it_where_openmetrics_says_less() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (prometheus, Format::Text),
            ("application/openmetrics-text, */*;q=0.1", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "application/openmetrics-text, text/plain;q=0",
                Format::OpenMetrics,
            ),
            ("text/plain", Format::Text),
        ] {
            assert_eq!(accepted([accept]).format(false), format, "{accept}");
        }
    }

    #[test]
    fn the_format_that_is_preferred() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for open in [
            prometheus,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"",
            "application/openmetrics-text, text/plain",
            "*/*, application/openmetrics-text",
        ] {
            assert_eq!(format([open]), Format::OpenMetrics, "{open}");
        }
        for text in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;version=0.0.4",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;q=0",
            "text/plain;q=0.9, application/openmetrics-text;q=0.1",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.6",
            "application/openmetrics-text;q=0.1, text/*",
        ] {
            assert_eq!(format([text]), Format::Text, "{text}");
        }
        let lines = ["text/plain;q=0.5", "application/openmetrics-text"];
        assert_eq!(format(lines), Format::OpenMetrics, "the second line counts");
        assert_eq!(format([]), Format::Text);
    }
}

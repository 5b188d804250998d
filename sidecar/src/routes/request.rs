//! What a scraper's request says beside its path.

use std::time::Duration;

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use tagalong_exposition::Keep;

/// The header in which Prometheus (and the OpenTelemetry collector) tells its timeout, in seconds.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
/// Prometheus' own default.
const USUAL: f64 = 10.0;
/// A large Kong under load takes a minute and more (Kong/charts#828).
const LONGEST: f64 = 120.0;
/// How much earlier than the scraper we give up, so that it hears why: a tenth of its time, at most half a second.
const MARGIN: f64 = 0.5;

/// How long the whole response may take.
pub(super) fn time_allowed(headers: &HeaderMap) -> Duration {
    let told = headers
        .get(TIMEOUT_HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse::<f64>().ok())
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .unwrap_or(USUAL)
        .min(LONGEST);
    Duration::from_secs_f64(told - (told / 10.0).min(MARGIN))
}

/// Whether gzip is acceptable (RFC 9110 §12.5.3). Where nothing is said, it is not asked for.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any) = (None, None);
    for line in headers.get_all(ACCEPT_ENCODING) {
        for item in line.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let accepted = match parts.next() {
                Some(coding)
                    if ["gzip", "x-gzip"]
                        .iter()
                        .any(|name| coding.eq_ignore_ascii_case(name)) =>
                {
                    &mut gzip
                }
                Some("*") => &mut any,
                _ => continue,
            };
            *accepted = Some(parts.all(|parameter| !is_zero_quality(parameter)));
        }
    }
    gzip.or(any).unwrap_or(false)
}

fn is_zero_quality(parameter: &str) -> bool {
    parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .is_some_and(|(_, value)| {
            !value
                .trim()
                .parse::<f32>()
                .is_ok_and(|quality| quality > 0.0)
        })
}

/// Which samples the query asks for. Scrapers may add parameters of their own, which are ignored.
pub(super) fn keep(query: Option<&str>) -> Result<Keep, String> {
    let samples = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == "samples")
        .map(|(_, value)| value)
        .next_back();
    match samples {
        None | Some("all") => Ok(Keep::All),
        Some("enriched") => Ok(Keep::Enriched),
        Some(other) => Err(format!(
            "samples is {other:?}, known are \"all\" and \"enriched\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_scrapers_time_less_a_margin() {
        for (told, allowed) in [
            ("10", 9.5),
            ("1", 0.9),
            (" 2.5 ", 2.25),
            ("600", 119.5),
            ("0.001", 0.0009),
            ("0", 9.5),
            ("-3", 9.5),
            ("NaN", 9.5),
            ("inf", 9.5),
            ("soon", 9.5),
        ] {
            let time = time_allowed(&headers(TIMEOUT_HEADER, &[told]));
            assert!(
                (time.as_secs_f64() - allowed).abs() < 1e-6,
                "{told}: {time:?}"
            );
        }
        assert_eq!(time_allowed(&HeaderMap::new()), Duration::from_millis(9500));
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
            assert!(accepts_gzip(&headers("accept-encoding", &[yes])), "{yes}");
        }
        for no in [
            "",
            "identity",
            "gzip;q=0",
            "gzip; Q=0.000",
            "gzip;q=0, *",
            "*;q=0",
            "deflate, br",
            "gzipped",
            "gzip;q=x",
        ] {
            assert!(!accepts_gzip(&headers("accept-encoding", &[no])), "{no}");
        }
        assert!(accepts_gzip(&headers("accept-encoding", &["br", "gzip"])));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn samples() {
        for all in [
            None,
            Some(""),
            Some("samples=all"),
            Some("x=1&y"),
            Some("name[]=enriched"),
        ] {
            assert_eq!(keep(all), Ok(Keep::All), "{all:?}");
        }
        for enriched in [
            "samples=enriched",
            "x=1&samples=enriched",
            "samples=all&samples=enriched",
        ] {
            assert_eq!(keep(Some(enriched)), Ok(Keep::Enriched), "{enriched}");
        }
        for bad in ["samples=", "samples=none"] {
            assert!(keep(Some(bad)).is_err(), "{bad}");
        }
    }
}

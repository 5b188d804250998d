//! What a scraper's request says beside its path.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL};
use http::{HeaderMap, HeaderName};
use tagalong_exposition::{Keep, negotiate};
use tagalong_wire::contract::{SAMPLES_ALL, SAMPLES_ENRICHED, SAMPLES_QUERY};

/// How much earlier than the scraper we give up, so that it hears why: a tenth of its time, at most this.
const MARGIN: Duration = Duration::from_millis(500);

/// How long the whole response may take.
pub(super) fn time_allowed(headers: &HeaderMap) -> Duration {
    let told = lines(headers, &HeaderName::from_static(negotiate::TIMEOUT_HEADER)).next();
    let time = told
        .and_then(negotiate::timeout)
        .unwrap_or(negotiate::USUAL);
    time - (time / 10).min(MARGIN)
}

/// Whether gzip is asked for.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    negotiate::accepts_gzip(lines(headers, &ACCEPT_ENCODING))
}

/// How old what a summary tells may be, if the request does not say so.
const USUAL_AGE: Duration = Duration::from_secs(5);

/// How old what a summary tells may be: `max-age`, as any cache is asked (RFC 9111, section 5.2.1).
pub(super) fn max_age(headers: &HeaderMap) -> Duration {
    lines(headers, &CACHE_CONTROL)
        .flat_map(|line| line.split(','))
        .find_map(|part| {
            let (name, seconds) = part.split_once('=')?;
            let asked = name.trim().eq_ignore_ascii_case("max-age");
            asked.then(|| seconds.trim().parse().ok())?
        })
        .map_or(USUAL_AGE, Duration::from_secs)
}

fn lines<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok())
}

/// Which samples the query asks for. Scrapers may add parameters of their own, which are ignored.
pub(super) fn keep(query: Option<&str>) -> Result<Keep, String> {
    let samples = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == SAMPLES_QUERY)
        .map(|(_, value)| value)
        .next_back();
    match samples {
        None | Some(SAMPLES_ALL) => Ok(Keep::All),
        Some(SAMPLES_ENRICHED) => Ok(Keep::Enriched),
        Some(other) => Err(format!(
            "{SAMPLES_QUERY} is {other:?}, known are {SAMPLES_ALL:?} and {SAMPLES_ENRICHED:?}"
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
                    HeaderName::from_static(name),
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
            let time = time_allowed(&headers(negotiate::TIMEOUT_HEADER, &[told]));
            assert!(
                (time.as_secs_f64() - allowed).abs() < 1e-6,
                "{told}: {time:?}"
            );
        }
        assert_eq!(time_allowed(&HeaderMap::new()), Duration::from_millis(9500));
    }

    #[test]
    fn the_age_that_a_summary_may_have() {
        for (told, age) in [
            ("max-age=4", 4),
            ("no-transform, Max-Age = 0", 0),
            ("max-age=-1", 5),
            ("max-age=soon", 5),
            ("no-cache", 5),
        ] {
            let asked = max_age(&headers("cache-control", &[told]));
            assert_eq!(asked, Duration::from_secs(age), "{told}");
        }
        assert_eq!(max_age(&HeaderMap::new()), USUAL_AGE);
    }

    #[test]
    fn gzip_by_all_lines() {
        assert!(accepts_gzip(&headers("accept-encoding", &["br", "gzip"])));
        assert!(!accepts_gzip(&headers("accept-encoding", &["gzip;q=0"])));
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

use super::*;

fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn only_text_is_metrics() {
    for text in [
        "text/plain; charset=UTF-8",
        "TEXT/PLAIN",
        "application/openmetrics-text; version=1.0.0",
    ] {
        assert_eq!(
            text_type(&headers(&[(CONTENT_TYPE, text)])).expect(text),
            text
        );
    }
    assert_eq!(text_type(&HeaderMap::new()).expect("taken for text"), TEXT);
    for blank in ["", " "] {
        let blank = headers(&[(CONTENT_TYPE, blank)]);
        assert_eq!(text_type(&blank).expect("taken for text"), TEXT);
    }
    for other in [
        "application/json",
        "text/html",
        "text/plainer",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily",
        "; charset=utf-8",
    ] {
        assert!(
            text_type(&headers(&[(CONTENT_TYPE, other)])).is_err(),
            "{other}"
        );
    }
    let zipped = headers(&[(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "gzip")]);
    assert!(text_type(&zipped).is_err());
}

/// An answer that is not Kong's metrics says what helps, and not "see Kong's own log".
#[test]
fn a_refusal_says_where_to_go() {
    let said = |url: &str, status: u16, pairs: &[(http::HeaderName, &'static str)]| {
        let kong = Kong::new(url.parse().expect("a URL")).expect("no certificates needed");
        let status = StatusCode::from_u16(status).expect("a status");
        kong.refused(status, &headers(pairs)).to_string()
    };
    let (plain, tls) = (
        "http://127.0.0.1:8100/metrics",
        "https://127.0.0.1:8100/metrics",
    );
    let moved = said(plain, 301, &[(LOCATION, "https://127.0.0.1:8443/metrics")]);
    assert!(
        moved.contains("sends to https://127.0.0.1:8443/metrics"),
        "{moved}"
    );
    assert!(!moved.contains("log"), "{moved}");
    let long: &'static str = "/x".repeat(4000).leak();
    assert!(said(plain, 302, &[(LOCATION, long)]).len() < 600);
    let bad = said(plain, 400, &[]);
    assert!(bad.contains("must begin with https://"), "{bad}");
    for (url, status) in [(tls, 400), (plain, 404), (plain, 301)] {
        let said = said(url, status, &[]);
        assert!(said.contains("see Kong's own log"), "{said}");
    }
}

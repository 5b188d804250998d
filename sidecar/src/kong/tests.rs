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
    for other in [
        "application/json",
        "text/html",
        "text/plainer",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily",
        "",
    ] {
        assert!(
            text_type(&headers(&[(CONTENT_TYPE, other)])).is_err(),
            "{other}"
        );
    }
    let zipped = headers(&[(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "gzip")]);
    assert!(text_type(&zipped).is_err());
}

use super::*;

const SUMMARY: &str = r#"{"type":"SUMMARY","look":{"epoch":"5f0c","sequence":17,"age_ms":1234,"every_ms":600,"since_ms":61000,"complete":true,"pod":{"requests":812,"reading":0,"writing":3,"active":9}},"services":{"default/echo":{"arrivals":17,"count":16,"sum":900,"request_sum":1000,"apart":{"count":2,"sum":70},"unsettled":1,"buckets":{"25":3,"50":9,"+Inf":16}},"shop/cart":{}}}"#;

type Services = Vec<(String, Totals)>;

fn read(json: &str) -> Result<(Look, Services), ParseError> {
    let mut services: Services = Vec::new();
    let look = read_summary(json.as_bytes(), |namespace, name, totals| {
        let service = format!("{namespace}/{name}");
        let new = services.iter().all(|(other, _)| *other != service);
        services.push((service, totals.clone()));
        Ok(new)
    })?;
    Ok((look, services))
}

fn write(look: &Look, services: &Services) -> String {
    let mut out = Vec::new();
    look.begin_summary(&mut out);
    for (at, (service, totals)) in services.iter().enumerate() {
        let (namespace, name) = service.split_once('/').expect("a Service");
        totals.write(namespace, name, at == 0, &mut out);
    }
    out.extend_from_slice(SUMMARY_END);
    String::from_utf8(out).expect("text")
}

#[test]
fn what_the_design_shows_is_read_and_written_byte_for_byte() {
    let (look, services) = read(SUMMARY).expect("a summary");
    assert_eq!(write(&look, &services), format!("{SUMMARY}\n"));
    assert_eq!((look.sequence, look.pod.writing), (17, 3));
    let (_, echo) = &services[0];
    assert_eq!(
        (echo.arrivals, echo.count, echo.sum, echo.request_sum),
        (17, 16, 900, 1000)
    );
    assert_eq!(
        (echo.apart, echo.unsettled),
        (Apart { count: 2, sum: 70 }, 1)
    );
    assert_eq!(
        (echo.buckets[0], echo.buckets[1], echo.buckets[13]),
        (3, 9, 16)
    );
    let mut json = Vec::new();
    look.write(&mut json);
    assert_eq!(Look::parse(&json), Ok(look));
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_left_out_is_nothing() {
    let json = r#"{"later":{"a":[{}]},"services":{"n/s":{"gauge":7,"count":2,"buckets":{"33":1,"100":2}}},
        "look":{"epoch":"e","sequence":1,"age_ms":0,"since_ms":0,"pod":{"x":1}},"type":"SUMMARY"}"#;
    let (look, services) = read(json).expect("lenient");
    assert_eq!((look.complete, look.pod), (false, PodTotals::default()));
    let mut totals = Totals {
        count: 2,
        ..Totals::default()
    };
    totals.buckets[3] = 2;
    assert_eq!(services, [("n/s".to_owned(), totals)]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let look = r#""look":{"epoch":"e","sequence":1,"age_ms":0,"since_ms":0}"#;
    let with = |services: &str| format!(r#"{{"type":"SUMMARY",{look},"services":{services}}}"#);
    for (json, what) in [
        (
            "[]".to_owned(),
            "an object with a `type`, look and services",
        ),
        (format!("{{{look}}}"), "missing field `type`"),
        (r#"{"type":"SUMMARY"}"#.to_owned(), "missing field `look`"),
        (
            format!(r#"{{"type":"SNAPSHOT",{look}}}"#),
            "expected \"SUMMARY\"",
        ),
        (
            format!(r#"{{"type":"SUMMARY",{look},{look}}}"#),
            "duplicate field `look`",
        ),
        (
            r#"{"type":"SUMMARY","look":{"sequence":1,"age_ms":0,"since_ms":0}}"#.to_owned(),
            "missing field `epoch`",
        ),
        (with(r#"{"n/s":{"count":-1}}"#), "u64"),
        (with(r#"{"n/s":{"count":1.5}}"#), "u64"),
        (with(r#"{"n/s":{"count":null}}"#), "u64"),
        (with(r#"{"n/s":{"buckets":{"25":-1}}}"#), "u64"),
        (with(r#"{"n/s":{},"n/s":{}}"#), "\"n/s\" appears twice"),
        (with(r#"{"s":{}}"#), "\"s\" is no Kubernetes Service"),
        (with(r#"{"/s":{}}"#), "\"/s\" is no Kubernetes Service"),
        (
            with(r#"{"n/s/x":{}}"#),
            "\"n/s/x\" is no Kubernetes Service",
        ),
        (with(r#"{"n/a\"b":{}}"#), "is no Kubernetes Service"),
        (format!("{} x", with("{}")), "trailing characters"),
    ] {
        let error = read(&json).expect_err(&json);
        assert!(error.what.contains(what), "{json}: {error}");
    }
    let full = read_summary(with(r#"{"n/s":{}}"#).as_bytes(), |_, _, _| {
        Err("no room".into())
    });
    assert_eq!(full.expect_err("it is full").what, "no room");
}

#[test]
fn a_summary_has_a_longest_length_and_a_service_too() {
    let long = format!("{SUMMARY}{}", " ".repeat(MAX_SUMMARY - SUMMARY.len()));
    read(&long).expect("as long as may be");
    let error = read(&format!("{long} ")).expect_err("longer");
    assert!(error.what.contains("are more than 8388608"), "{error}");

    let most = u64::MAX;
    let totals = Totals {
        arrivals: most,
        count: most,
        sum: most,
        request_sum: most,
        apart: Apart {
            count: most,
            sum: most,
        },
        unsettled: most,
        buckets: Buckets([most; BOUNDS.len()]),
    };
    let mut out = Vec::new();
    totals.write(&"n".repeat(63), &"s".repeat(63), false, &mut out);
    assert!(out.len() <= MAX_SERVICE, "{}", out.len());
}

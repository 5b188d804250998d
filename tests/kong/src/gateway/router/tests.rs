use super::*;
use serde_json::json;

fn router(routes: &serde_json::Value) -> Router {
    let mut list = Vec::new();
    for (index, route) in routes.as_array().unwrap().iter().enumerate() {
        let mut full = json!({
            "id": format!("{index}"), "protocols": ["http", "https"], "https_redirect_status_code": 426,
            "regex_priority": 0, "strip_path": true, "preserve_host": false,
        });
        full.as_object_mut()
            .unwrap()
            .extend(route.as_object().unwrap().clone());
        list.push(Arc::new(serde_json::from_value(full).unwrap()));
    }
    Router::new(&list)
}

fn subject<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> Subject<'a> {
    Subject {
        https: false,
        sni: None,
        method: "GET",
        host,
        path,
        headers,
    }
}

fn find(router: &Router, host: &str, path: &str) -> Option<(String, usize)> {
    let found = router.find(&subject(host, path, &HeaderMap::new()))?;
    Some((found.route.label().to_owned(), found.taken))
}

#[test]
fn a_gateway_api_prefix_takes_whole_segments() {
    let router = router(&json!([{ "name": "echo", "paths": ["~/echo$", "/echo/"] }]));
    assert_eq!(find(&router, "x", "/echo"), Some(("echo".to_owned(), 5)));
    assert_eq!(find(&router, "x", "/echo/a"), Some(("echo".to_owned(), 6)));
    assert_eq!(find(&router, "x", "/echoes"), None);
    assert_eq!(find(&router, "x", "/"), None);
}

#[test]
fn more_kinds_of_fields_go_first_then_regex_then_length() {
    let router = router(&json!([
        { "name": "short", "paths": ["/a"] },
        { "name": "long", "paths": ["/a/b"] },
        { "name": "regex", "paths": ["~/a/\\d+"] },
        { "name": "eager", "paths": ["~/a/7"], "regex_priority": 3 },
        { "name": "host", "hosts": ["h.example.com"], "paths": ["/"] },
    ]));
    assert_eq!(find(&router, "x", "/a/bc").unwrap().0, "long");
    assert_eq!(find(&router, "x", "/a/c").unwrap().0, "short");
    assert_eq!(find(&router, "x", "/a/12").unwrap().0, "regex");
    assert_eq!(find(&router, "x", "/a/7").unwrap().0, "eager");
    assert_eq!(
        find(&router, "h.example.com:8000", "/a/7").unwrap().0,
        "host"
    );
}

#[test]
fn hosts_may_have_wildcards_and_exact_ones_go_first() {
    let router = router(&json!([
        { "name": "suffix", "hosts": ["*.example.com"] },
        { "name": "exact", "hosts": ["a.example.com"] },
        { "name": "prefix", "hosts": ["shop.*"] },
        { "name": "port", "hosts": ["b.test:8443"] },
    ]));
    assert_eq!(find(&router, "a.example.com", "/").unwrap().0, "exact");
    assert_eq!(find(&router, "b.example.com:80", "/").unwrap().0, "suffix");
    assert_eq!(find(&router, "shop.test", "/").unwrap().0, "prefix");
    assert_eq!(find(&router, "b.test:8443", "/").unwrap().0, "port");
    assert_eq!(find(&router, "b.test", "/"), None);
    assert_eq!(find(&router, ".example.com", "/"), None);
}

#[test]
fn methods_headers_and_protocols_narrow() {
    let router = router(&json!([
        { "name": "post", "methods": ["POST"] },
        { "name": "header", "headers": { "X-H": ["V"] } },
        { "name": "pattern", "headers": { "x-p": ["~*^v[0-9]$"] } },
        { "name": "tls", "protocols": ["https"], "paths": ["/tls"] },
        { "name": "plain", "protocols": ["http"], "paths": ["/plain"] },
    ]));
    let mut headers = HeaderMap::new();
    let find = |headers: &HeaderMap, https, method, path| {
        let subject = Subject {
            https,
            method,
            ..subject("x", path, headers)
        };
        router
            .find(&subject)
            .map(|found| found.route.label().to_owned())
    };
    assert_eq!(find(&headers, false, "POST", "/").as_deref(), Some("post"));
    assert_eq!(find(&headers, false, "GET", "/"), None);
    assert_eq!(
        find(&headers, false, "GET", "/tls").as_deref(),
        Some("tls"),
        "to be told about HTTPS"
    );
    assert_eq!(find(&headers, true, "GET", "/plain"), None);
    headers.insert("x-h", "v".parse().unwrap());
    assert_eq!(find(&headers, false, "GET", "/").as_deref(), Some("header"));
    headers.insert("x-h", "w".parse().unwrap());
    headers.insert("x-p", "V7".parse().unwrap());
    assert_eq!(
        find(&headers, false, "GET", "/").as_deref(),
        Some("pattern")
    );
}

#[test]
fn the_upstream_sees_one_slash() {
    for (base, path, taken, expected) in [
        (None, "/echo", Some(5), "/"),
        (None, "/echo/a", Some(6), "/a"),
        (None, "/echo/a", Some(5), "/a"),
        (None, "/echo/a", None, "/echo/a"),
        (Some("/"), "/echo/a", None, "/echo/a"),
        (Some("/base"), "/echo/a", Some(5), "/base/a"),
        (Some("/base/"), "/echo/a", Some(6), "/base/a"),
        (Some("/base"), "/echo", Some(5), "/base"),
        (Some("/base"), "/echo", None, "/base/echo"),
    ] {
        assert_eq!(
            upstream_path(base, path, taken),
            expected,
            "{base:?} {path} {taken:?}"
        );
    }
}

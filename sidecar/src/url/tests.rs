use super::*;

fn url(text: &str) -> Url {
    text.parse().expect(text)
}

#[test]
fn parts() {
    let kong = url("http://127.0.0.1:8100/metrics");
    assert_eq!(
        (kong.tls, kong.host.as_str(), kong.port),
        (false, "127.0.0.1", 8100)
    );
    assert_eq!(kong.path, "/metrics");
    assert_eq!(kong.authority(), "127.0.0.1:8100");
    assert_eq!(kong.to_string(), "http://127.0.0.1:8100/metrics");

    let v6 = url("https://[::1]/metrics?x=1");
    assert_eq!((v6.tls, v6.host.as_str(), v6.port), (true, "::1", 443));
    assert_eq!(v6.authority(), "[::1]");
    assert_eq!(v6.to_string(), "https://[::1]/metrics?x=1");
    assert_eq!(url("http://kong").path, "/");
}

#[test]
fn loopback_by_its_own_name_only() {
    for yes in [
        "http://127.0.0.1",
        "http://127.9.9.9:1",
        "https://[::1]:8",
        "http://LocalHost",
        "http://[::ffff:127.0.0.1]",
    ] {
        assert!(url(yes).is_loopback(), "{yes}");
    }
    for no in [
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
        "http://[::2]",
    ] {
        assert!(!url(no).is_loopback(), "{no}");
    }
}

#[test]
fn what_is_no_url_of_ours() {
    for bad in [
        "",
        "metrics",
        "/metrics",
        "127.0.0.1:8100/metrics",
        "ftp://h/",
        "http://",
        "http:///metrics",
        "http://u:p@h/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:/",
        "http://h/a b",
        "http://h/#x",
        "http://h:8100:1/",
    ] {
        assert!(bad.parse::<Url>().is_err(), "{bad}");
    }
}

use serde_json::json;

use super::{Status, listen_ports, status};
use crate::inject::kind::Kind;
use crate::inject::refusal::Refusal;

fn url(value: &str) -> Result<String, Refusal> {
    let proxy = json!({"name": "proxy", "env": [{"name": "KONG_STATUS_LISTEN", "value": value}]});
    status(Kind::Workload, &proxy).map(|status| status.url)
}

#[test]
fn follows_kong_to_its_port_scheme_and_address() {
    for (value, expected) in [
        ("0.0.0.0:8100", "http://127.0.0.1:8100/metrics"),
        (" 0.0.0.0:8100 ", "http://127.0.0.1:8100/metrics"),
        (
            "127.0.0.1:8007 reuseport backlog=16384",
            "http://127.0.0.1:8007/metrics",
        ),
        ("0.0.0.0:8100 ssl", "https://127.0.0.1:8100/metrics"),
        ("0.0.0.0:8100, [::]:8100", "http://127.0.0.1:8100/metrics"),
        ("[::]:8100", "http://[::1]:8100/metrics"),
        ("[fd00::1]:8100", "http://[fd00::1]:8100/metrics"),
        ("127.0.0.2:1", "http://127.0.0.2:1/metrics"),
        ("localhost:8100", "http://127.0.0.1:8100/metrics"),
        ("*:8100", "http://127.0.0.1:8100/metrics"),
        (
            "0.0.0.0:8543 http2 ssl, 0.0.0.0:8100",
            "http://127.0.0.1:8100/metrics",
        ),
        (
            "0.0.0.0:8100 http2, 0.0.0.0:8543 ssl",
            "https://127.0.0.1:8543/metrics",
        ),
        ("0.0.0.0:8100 http2", "http://127.0.0.1:8100/metrics"),
        (
            "0.0.0.0:8100 proxy_protocol, 0.0.0.0:8101",
            "http://127.0.0.1:8101/metrics",
        ),
        ("0.0.0.0:8101, off", "http://127.0.0.1:8101/metrics"),
    ] {
        assert_eq!(url(value).as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn refuses_what_cannot_be_read() {
    assert_eq!(url("off"), Err(Refusal::StatusOff));
    assert_eq!(url(" off , 0.0.0.0:8100"), Err(Refusal::StatusOff));
    for value in [
        "",
        "8100",
        "0.0.0.0",
        "0.0.0.0:",
        "0.0.0.0:0",
        "0.0.0.0:65536",
        "unix:/tmp/kong.sock",
        "[::]8100",
        "::8100",
        "$(POD_IP):8100",
        "kong:8100",
        "0.0.0.0:8100 proxy_protocol",
        "10.1.2.3:8100 ssl",
    ] {
        assert_eq!(
            url(value),
            Err(Refusal::StatusUnusable(value.to_owned())),
            "{value}"
        );
    }
}

#[test]
fn the_last_of_several_wins() {
    let proxy = json!({"env": [
        {"name": "KONG_STATUS_LISTEN", "value": "off"},
        {"name": "KONG_STATUS_LISTEN", "value": "0.0.0.0:1"},
    ]});
    assert_eq!(
        status(Kind::DataPlane, &proxy),
        Ok(Status {
            url: "http://127.0.0.1:1/metrics".to_owned(),
            ipv6: false
        })
    );
}

#[test]
fn a_value_from_elsewhere_is_refused() {
    let proxy = json!({"env": [{"name": "KONG_STATUS_LISTEN", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]});
    assert_eq!(
        status(Kind::DataPlane, &proxy),
        Err(Refusal::StatusElsewhere)
    );
    let here =
        json!({"env": [{"name": "KONG_STATUS_LISTEN", "value": "0.0.0.0:1", "valueFrom": null}]});
    assert!(status(Kind::DataPlane, &here).is_ok());
}

#[test]
fn only_kongs_operators_have_a_default() {
    let proxy = json!({"name": "kong"});
    assert_eq!(
        status(Kind::DataPlane, &proxy)
            .map(|status| status.url)
            .as_deref(),
        Ok("http://127.0.0.1:8100/metrics")
    );
    assert_eq!(
        status(Kind::Workload, &proxy),
        Err(Refusal::StatusUnset("kong".to_owned()))
    );
}

#[test]
fn a_pod_that_has_ipv6_is_known_by_its_wildcard() {
    for (value, ipv6) in [
        ("0.0.0.0:8100", false),
        ("[::1]:8100", false),
        ("0.0.0.0:8100, [::]:8100", true),
    ] {
        let proxy = json!({"env": [{"name": "KONG_STATUS_LISTEN", "value": value}]});
        assert_eq!(
            status(Kind::Workload, &proxy).map(|status| status.ipv6),
            Ok(ipv6),
            "{value}"
        );
    }
}

#[test]
fn ports_of_listeners() {
    let ports = |value| listen_ports(value).collect::<Vec<_>>();
    assert_eq!(ports("off"), [] as [u16; 0]);
    assert_eq!(
        ports("0.0.0.0:8000 reuseport backlog=16384, [::]:8443 http2 ssl"),
        [8000, 8443]
    );
    assert_eq!(ports("0.0.0.0:53 udp, 0.0.0.0:5000 ssl"), [5000]);
    assert_eq!(ports("nonsense, :, 0.0.0.0:99999"), [] as [u16; 0]);
}

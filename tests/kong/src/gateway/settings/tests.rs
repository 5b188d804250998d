use super::*;

fn from(variables: &[(&str, &str)]) -> Result<Settings, BadSetting> {
    Settings::from_env(|name| {
        variables
            .iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn listen(address: &str, tls: bool) -> Listen {
    Listen {
        address: address.parse().unwrap(),
        tls,
    }
}

#[test]
fn the_environment_that_the_operators_give_a_data_plane() {
    let settings = from(&[
        (
            "KONG_ADMIN_LISTEN",
            "0.0.0.0:8444 ssl reuseport backlog=16384",
        ),
        ("KONG_STATUS_LISTEN", "0.0.0.0:8100"),
        (
            "KONG_PROXY_LISTEN",
            "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        ),
        ("KONG_ADMIN_SSL_CERT", "/var/cluster-certificate/tls.crt"),
        (
            "KONG_ADMIN_SSL_CERT_KEY",
            "/var/cluster-certificate/tls.key",
        ),
        (
            "KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE",
            "/var/cluster-certificate/ca.crt",
        ),
        ("KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT", "on"),
        ("KONG_NGINX_WORKER_PROCESSES", "2"),
        ("KONG_PLUGINS", "bundled,mine"),
    ])
    .unwrap();
    assert_eq!(settings.admin, [listen("0.0.0.0:8444", true)]);
    assert_eq!(settings.status, [listen("0.0.0.0:8100", false)]);
    assert_eq!(
        settings.proxy,
        [listen("0.0.0.0:8000", false), listen("0.0.0.0:8443", true)]
    );
    assert_eq!(
        settings.admin_client_ca,
        Some("/var/cluster-certificate/ca.crt".into())
    );
    assert!(settings.admin_certificate.is_some());
    assert!(settings.plugins.contains("mine") && settings.plugins.contains("prometheus"));
    assert_eq!(
        (settings.workers, settings.prefix),
        (2, Some("/usr/local/kong".into()))
    );
}

#[test]
fn off_and_nonsense() {
    assert_eq!(from(&[("KONG_ADMIN_LISTEN", "off")]).unwrap().admin, []);
    let error = from(&[("KONG_STATUS_LISTEN", "8100")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "KONG_STATUS_LISTEN=8100: not address:port with an IP address"
    );
    assert_eq!(
        from(&[("KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE", "/x")])
            .unwrap()
            .admin_client_ca,
        None
    );
}

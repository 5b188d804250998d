use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::config::Config;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

/// What asking an API server at `url` comes to.
async fn asked(url: String) -> kube::Error {
    let mut config = Config::new(url.parse().expect("a URL"));
    config.default_namespace = "default".to_owned();
    let client = kube::Client::try_from(config).expect("a client");
    let config_maps = Api::<ConfigMap>::default_namespaced(client);
    let answer = config_maps.get_opt("any").await;
    answer.expect_err("no API server is there")
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let listener = TcpListener::bind(loopback()).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let words = in_words(&asked(format!("http://{address}")).await);
    assert!(
        words.starts_with("cannot reach the API server: "),
        "{words}"
    );
    assert!(words.contains("Connection refused"), "{words}");
}

#[tokio::test]
async fn an_unknown_host_says_so() {
    // RFC 6761: no resolver may know a name under `.invalid`.
    let words = in_words(&asked("http://tagalong.invalid:6443".to_owned()).await);
    assert!(words.contains("dns error"), "{words}");
    assert!(!words.contains("refused"), "{words}");
}

#[tokio::test]
async fn an_unknown_authority_says_so() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let certified = tagalong_runtime::tls::parse(
        made.cert.pem().as_bytes(),
        made.signing_key.serialize_pem().as_bytes(),
    );
    let (_sender, certificates) =
        tokio::sync::watch::channel(Some(Arc::new(certified.expect("it fits"))));
    let tls = tagalong_runtime::tls::config(certificates).expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    let listener = TcpListener::bind(loopback()).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _not_trusted = acceptor.accept(stream).await;
        }
    });
    let words = in_words(&asked(format!("https://{address}")).await);
    assert!(words.contains("certificate"), "{words}");
    assert!(words.contains("UnknownIssuer"), "{words}");
}

#[test]
fn an_answer_is_said_as_the_api_server_says_it() {
    let status = |message: &str, code| {
        let status = kube::core::Status::failure(message, "Forbidden").with_code(code);
        kube::Error::Api(Box::new(status))
    };
    assert_eq!(in_words(&status("you may not", 403)), "you may not");
    assert_eq!(in_words(&status("", 500)), "the API server answered 500");
    let error = ApiError::from(status("you may not", 403));
    assert_eq!(with_causes(&error), "you may not");
}

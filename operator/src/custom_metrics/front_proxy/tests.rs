use super::*;
use crate::custom_metrics::tests::pki::{Form, Shown, Signer, config_map};
use rcgen::ExtendedKeyUsagePurpose;
use std::sync::LazyLock;

static OURS: LazyLock<Signer> = LazyLock::new(|| Signer::new("front-proxy-ca"));

fn now() -> Duration {
    let seconds = jiff::Timestamp::now().as_second();
    Duration::from_secs(seconds.try_into().expect("after 1970"))
}

fn shown(all: &[&Shown]) -> ClientCertificates {
    ClientCertificates(all.iter().map(|one| one.certificate.clone()).collect())
}

fn accepts(data: &BTreeMap<String, String>, certificates: &[&Shown]) -> bool {
    let front_proxy = FrontProxy::read(data).expect("usable");
    front_proxy.is_shown_by(&shown(certificates), now())
}

#[test]
fn its_certificate_and_no_other() {
    let data = config_map(&OURS.pem);
    let names = |names: &'static [&'static str]| Form {
        names,
        ..Form::default()
    };
    let good = OURS.sign(&Form::default());
    assert!(accepts(&data, &[&good]));
    assert!(!accepts(&data, &[]));
    for (form, why) in [
        (names(&["somebody"]), "another name"),
        (names(&[]), "no name"),
        (names(&["somebody", "front-proxy-client"]), "two names"),
        (
            Form {
                usage: ExtendedKeyUsagePurpose::ServerAuth,
                ..Form::default()
            },
            "a server's",
        ),
        (
            Form {
                expired: Some(time::Duration::hours(1)),
                ..Form::default()
            },
            "expired",
        ),
    ] {
        assert!(!accepts(&data, &[&OURS.sign(&form)]), "{why}");
    }
    let stranger = Signer::new("front-proxy-ca").sign(&Form::default());
    assert!(!accepts(&data, &[&stranger]), "of another authority");
    assert!(!accepts(&data, &[&stranger, &good]), "the first one counts");
}

#[test]
fn any_name_if_none_is_named_and_any_of_several_authorities() {
    let other = Signer::new("the next one");
    let mut data = config_map(&format!("{}{}", OURS.pem, other.pem));
    assert!(accepts(&data, &[&other.sign(&Form::default())]));
    data.insert("requestheader-allowed-names".to_owned(), "[]".to_owned());
    let form = Form {
        names: &["anybody"],
        ..Form::default()
    };
    assert!(accepts(&data, &[&OURS.sign(&form)]));
}

/// A judgement does not outlive the certificate by more than it is remembered for.
#[test]
fn a_judgement_is_made_again() {
    let front_proxy = FrontProxy::read(&config_map(&OURS.pem)).expect("usable");
    let certificate = shown(&[&OURS.sign(&Form::default())]);
    assert!(front_proxy.is_shown_by(&certificate, now()));
    let later = now() + Duration::from_secs(36 * 3600);
    assert!(!front_proxy.is_shown_by(&certificate, later));
}

#[test]
fn what_cannot_be_used_says_why() {
    let without = |key: &str| {
        let mut data = config_map(&OURS.pem);
        data.remove(key);
        FrontProxy::read(&data).map(drop)
    };
    for key in [
        "requestheader-client-ca-file",
        "requestheader-username-headers",
    ] {
        assert_eq!(without(key), Err(Unusable::Missing(key)));
    }
    for key in [
        "requestheader-allowed-names",
        "requestheader-group-headers",
        "requestheader-extra-headers-prefix",
        "client-ca-file",
    ] {
        assert_eq!(without(key), Ok(()), "{key}");
    }
    for (key, value) in [
        ("requestheader-client-ca-file", "no PEM"),
        ("requestheader-allowed-names", "front-proxy-client"),
        ("requestheader-group-headers", "[\"no header\"]"),
    ] {
        let mut data = config_map(&OURS.pem);
        data.insert(key.to_owned(), value.to_owned());
        let refused = FrontProxy::read(&data).expect_err(key).to_string();
        assert!(refused.contains(key), "{refused}");
    }
}

#[test]
fn whom_it_speaks_for() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-remote-user", "first"),
        ("x-remote-user", "second"),
        ("x-remote-uid", "u-1"),
        ("x-remote-group", "a"),
        ("x-remote-group", "b"),
        (
            "x-remote-extra-authentication.kubernetes.io%2fcredential-id",
            "JTI=1",
        ),
        ("x-remote-extra-scopes", "r"),
        ("x-remote-extra-scopes", "w"),
    ] {
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    let mut data = config_map(&OURS.pem);
    let user = |data: &BTreeMap<String, String>, headers: &HeaderMap| {
        FrontProxy::read(data).expect("usable").user(headers)
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut known = User {
        name: "first".to_owned(),
        uid: None,
        groups: texts(&["a", "b"]),
        extra: [
            (
                "authentication.kubernetes.io/credential-id".to_owned(),
                texts(&["JTI=1"]),
            ),
            ("scopes".to_owned(), texts(&["r", "w"])),
        ]
        .into(),
    };
    // An API server that does not name this header does not keep it from strangers either.
    assert_eq!(user(&data, &headers), Some(known.clone()));
    data.insert(
        "requestheader-uid-headers".to_owned(),
        r#"["X-Remote-Uid"]"#.to_owned(),
    );
    known.uid = Some("u-1".to_owned());
    assert_eq!(user(&data, &headers), Some(known));
    headers.remove("x-remote-user");
    assert_eq!(user(&data, &headers), None);
}

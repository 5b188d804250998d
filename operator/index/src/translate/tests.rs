use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tagalong_crds as crds;

use super::{http::shortened, *};
use crate::{
    key::Key,
    object::Source,
    referents::{Referent, Referents},
};

fn read<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// The names that an object claims in the `service` label and in the `upstream` label, with what they reach.
fn names(object: impl Into<Object>) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let object = object.into();
    let translation = translate(&object, &mut Interner::default()).unwrap();
    let source = Source {
        kind: object.kind(),
        key: object.key(),
    };
    let mut referents = Referents::default();
    for referent in translation.draft.referents(&source) {
        if let Referent::Service(key) = referent {
            let annotations = BTreeMap::new();
            referents.put_service(&key, Some(crate::records::Service { annotations }));
        }
    }
    let all = translation.draft.claims(&source, &referents);
    let of = |role| {
        let claims = all.iter().filter(|claim| claim.roles.has(role));
        claims
            .map(|claim| (claim.name.to_string(), claim.target.to_string()))
            .collect()
    };
    (of(Roles::SERVICE), of(Roles::UPSTREAM))
}

fn http_route(namespace: &str, name: &str, spec: impl Into<Option<Value>>) -> crds::HttpRoute {
    read(json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec.into()}))
}

fn services(route: crds::HttpRoute) -> BTreeMap<String, String> {
    let (services, upstreams) = names(route);
    assert_eq!(
        services, upstreams,
        "an HTTPRoute's Kong services have hosts of their own names"
    );
    services
}

fn expect(names: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    assert_eq!(*names, expected);
}

// facts §6.1, golden `ingress-v1-…`
#[test]
fn ingress_by_number_and_by_name() {
    let ingress: crds::Ingress = read(json!({
        "metadata": {"namespace": "foo-namespace", "name": "regex-prefix"},
        "spec": {"rules": [{"host": "example.com", "http": {"paths": [
            {"backend": {"service": {"name": "foo-svc", "port": {"number": 80}}}},
            {"backend": {"service": {"name": "foo-svc", "port": {"number": 8000}}}},
            {"backend": {"service": {"name": "foo-svc", "port": {"name": "http"}}}},
            {"backend": {"service": {"name": "foo-svc", "port": {"number": 80}}}},
        ]}}]},
    }));
    let (services, upstreams) = names(ingress);
    let svc = "Service foo-namespace/foo-svc";
    expect(
        &services,
        &[
            ("foo-namespace.foo-svc.80", svc),
            ("foo-namespace.foo-svc.8000", svc),
            ("foo-namespace.foo-svc.http", svc),
            ("foo-namespace.foo-svc.pname-http", svc),
            ("foo-namespace.foo-svc.pnum-80", svc),
            ("foo-namespace.foo-svc.pnum-8000", svc),
            ("foo-namespace.regex-prefix.foo-svc.80", svc),
            ("foo-namespace.regex-prefix.foo-svc.8000", svc),
            ("foo-namespace.regex-prefix.foo-svc.http", svc),
        ],
    );
    expect(
        &upstreams,
        &[
            ("foo-svc.foo-namespace.80.svc", svc),
            ("foo-svc.foo-namespace.8000.svc", svc),
            ("foo-svc.foo-namespace.http.svc", svc),
        ],
    );
}

#[test]
fn ingress_default_backend() {
    let ingress: crds::Ingress = read(json!({
        "metadata": {"namespace": "bar-namespace", "name": "ing-with-default-backend"},
        "spec": {"defaultBackend": {"service": {"name": "default-svc", "port": {"number": 80}}}},
    }));
    let (services, upstreams) = names(ingress);
    assert_eq!(
        services["bar-namespace.default-svc.80"],
        "Service bar-namespace/default-svc"
    );
    assert_eq!(
        upstreams["default-svc.bar-namespace.80.svc"],
        "Service bar-namespace/default-svc"
    );
}

#[test]
fn ingress_without_a_port_and_without_a_service() {
    let ingress: crds::Ingress = read(json!({
        "metadata": {"namespace": "n", "name": "i"},
        "spec": {"rules": [{}, {"http": {"paths": [
            {"backend": {"service": {"name": "s"}}},
            {"backend": {"resource": {"apiGroup": "incubator.ingress-controller.konghq.com",
                                      "kind": "KongServiceFacade", "name": "f"}}},
            {"backend": {}},
        ]}}]},
    }));
    expect(
        &names(ingress).0,
        &[
            ("n.s.implicitPort", "Service n/s"),
            ("n.i.s.implicitPort", "Service n/s"),
        ],
    );
}

#[test]
fn facade() {
    let facade: crds::KongServiceFacade = read(json!({
        "metadata": {"namespace": "default", "name": "svc-facade-beta"},
        "spec": {"backendRef": {"name": "beta", "port": 80}},
    }));
    let (services, upstreams) = names(facade);
    expect(
        &services,
        &[("default.svc-facade-beta.svc.facade", "Service default/beta")],
    );
    assert_eq!(services, upstreams);
}

#[test]
fn tcp_and_udp_ingresses() {
    let spec =
        json!({"rules": [{"port": 9000, "backend": {"serviceName": "dns", "servicePort": 53}}]});
    let metadata = json!({"namespace": "n", "name": "i"});
    let (services, upstreams) = names(read::<crds::TcpIngress>(
        json!({"metadata": metadata, "spec": spec}),
    ));
    expect(&services, &[("n.dns.53", "Service n/dns")]);
    expect(&upstreams, &[("dns.n.53.svc", "Service n/dns")]);
    let (services, upstreams) = names(read::<crds::UdpIngress>(
        json!({"metadata": metadata, "spec": spec}),
    ));
    expect(&services, &[("n.dns.53.udp", "Service n/dns")]);
    expect(&upstreams, &[("dns.n.53.svc", "Service n/dns")]);
}

/// The worlds that the real translator of Kong's is asked about.
const WORLDS: [&str; 2] = [
    include_str!("../../../../tests/tests/it/on_bed/translator/world.rs"),
    include_str!("../../../../tests/tests/it/on_bed/translator/world/ingresses.rs"),
];

/// Whoever adds a kind that names Kong services tells people, and those who judge the names.
#[test]
fn every_kind_that_names_kong_services_is_judged_and_on_the_pages() {
    macro_rules! objects {
        ($($name:ident($type:ident) $written:ident,)+) => {
            [$((
                concat!("crds::", stringify!($type)),
                Object::from(read::<crds::$type>(json!({
                    "metadata": {"namespace": "n", "name": "o"}, "spec": {"serviceSelector": {}, "selector": {}},
                }))),
            ),)+]
        };
    }
    let design = include_str!("../../../../docs/design.md");
    let (_, section) = design.split_once("\n## 4. ").expect("section 4");
    let (section, _) = section.split_once("\n## ").expect("section 5");
    let mut named = 0;
    for (path, object) in crate::for_each_kind!(objects) {
        if translate(&object, &mut Interner::default()).is_none() {
            continue;
        }
        named += 1;
        let kind = object.kind().name();
        let before = include_str!("tests.rs");
        assert!(
            before.contains(path),
            "operator/index/src/translate/tests.rs has no golden case of a {kind} ({path})"
        );
        for (page, text) in [
            ("docs/design.md §4", section),
            (
                "docs/guides/compatibility.md",
                include_str!("../../../../docs/guides/compatibility.md"),
            ),
        ] {
            let words = text.split(|letter: char| !letter.is_alphanumeric());
            assert!(
                words.into_iter().any(|word| word == kind),
                "{page} does not name {kind}"
            );
        }
        let quoted = format!("\"{kind}\"");
        assert!(
            WORLDS.iter().any(|text| text.contains(&quoted)),
            "no world of tests/tests/it/on_bed/translator/world.rs has a {kind}; if Kong's translator there has no such \
             kind, a comment that says so, with the name in quotes, will do"
        );
    }
    assert!(named >= 9, "only {named} kinds name Kong services");
}

// Golden `httproute-testing` of Kong's: the index is that of the first rule with the same backends. `.2` is a Kong service
// only where KIC 2.12 makes one of each rule.
#[test]
fn http_route_rules_share_a_kong_service() {
    let httpbin = json!({"name": "httpbin", "port": 80});
    let nginx = json!({"name": "nginx", "port": 8080});
    let names = services(http_route(
        "default",
        "httproute-testing",
        json!({"rules": [
            {"backendRefs": [{"name": "httpbin", "port": 80, "weight": 75}, {"name": "nginx", "port": 8080, "weight": 25}]},
            {"backendRefs": [httpbin, httpbin]},
            {"backendRefs": [httpbin, httpbin]},
            {"backendRefs": [nginx]},
        ]}),
    ));
    let several = "several Services";
    expect(
        &names,
        &[
            ("httproute.default.httproute-testing.0", several),
            (
                "httproute.default.httproute-testing.1",
                "Service default/httpbin",
            ),
            (
                "httproute.default.httproute-testing.2",
                "Service default/httpbin",
            ),
            (
                "httproute.default.httproute-testing.3",
                "Service default/nginx",
            ),
            ("httproute.default.httproute-testing._.0", several),
            (
                "httproute.default.httproute-testing._.1",
                "Service default/httpbin",
            ),
            (
                "httproute.default.httproute-testing._.2",
                "Service default/httpbin",
            ),
            (
                "httproute.default.httproute-testing._.3",
                "Service default/nginx",
            ),
            (
                "httproute.default.svc.default.httpbin.80.75_default.nginx.8080.25",
                several,
            ),
            (
                "httproute.default.svc.default.httpbin.80.1_default.httpbin.80.1",
                "Service default/httpbin",
            ),
            (
                "httproute.default.svc.default.nginx.8080.1",
                "Service default/nginx",
            ),
        ],
    );
}

#[test]
fn http_route_by_host() {
    let names = services(http_route(
        "default",
        "example",
        json!({"hostnames": ["foo.com", "*.bar.com"], "rules": [{"backendRefs": [{"name": "echo", "port": 80}]}]}),
    ));
    let echo = "Service default/echo";
    expect(
        &names,
        &[
            ("httproute.default.example.0", echo),
            ("httproute.default.example.foo.com.0", echo),
            ("httproute.default.example._.bar.com.0", echo),
            ("httproute.default.svc.default.echo.80.1", echo),
        ],
    );
}

#[test]
fn combined_names_hold_namespaces_ports_and_weights_sorted() {
    let names = names(http_route(
        "ns",
        "r",
        json!({"rules": [{"backendRefs": [
            {"name": "z", "port": 80, "weight": 0}, {"name": "a", "namespace": "other"}, {"name": "m", "port": 81, "weight": 0},
        ]}]}),
    ))
    .0;
    assert!(names.contains_key("httproute.ns.svc.ns.m.81.0_ns.z.80.0_other.a.1"));
    let empty = services(http_route("ns", "r", json!({"rules": [{}]})));
    assert_eq!(
        empty["httproute.ns.svc._"],
        "no Service: the rule names no backend"
    );
}

#[test]
fn long_combined_names_have_a_hash() {
    let backends: Vec<Value> = (0..16)
        .map(|at| json!({"name": format!("{at:02}{}", "s".repeat(40)), "port": 80, "weight": 0}))
        .collect();
    let names = names(http_route(
        "default",
        "long",
        json!({"rules": [{"backendRefs": backends}]}),
    ))
    .0;
    let hashed: Vec<&String> = names
        .keys()
        .filter(|name| name.contains("_combined."))
        .collect();
    // The hash was worked out by another implementation of SHA-256 (Python's hashlib).
    let full = names.keys().find(|name| name.len() > 511).unwrap();
    assert_eq!(full.len(), 917);
    assert_eq!(
        hashed,
        [&format!(
            "httproute.default.svc.default.00{}.80.0_combined.{}",
            "s".repeat(40),
            "2af97518789c7bec317c2add454f1c0866f23a1b5725696ad261a016fb481c52"
        )]
    );
}

#[test]
fn a_combined_name_of_511_bytes_is_not_shortened() {
    for (length, shortened) in [(511, false), (512, true)] {
        let backend = |length: usize| json!({"name": "s".repeat(length), "port": 80});
        let names = services(http_route(
            "n",
            "r",
            json!({"rules": [{"backendRefs": [backend(240), backend(length - 271)]}]}),
        ));
        let combined: Vec<usize> = names
            .keys()
            .filter(|name| name.starts_with("httproute.n.svc.") && !name.contains("_combined."))
            .map(String::len)
            .collect();
        assert_eq!(combined, [length]);
        let hashed = names.keys().any(|name| name.contains("_combined."));
        assert_eq!(hashed, shortened, "{length}");
    }
}

// What Kong Operator's own translator makes of the two rules of `tests/data/names/timeout-long-name.yaml`.
#[test]
fn a_timeout_is_measured_and_hashed_with_the_rest() {
    let names = shortened("a.b.timeout.1", "a.", "b", Form::CombinedTimeout);
    assert_eq!(names.len(), 1);
    let long = format!("a.{}.timeout.1", "b".repeat(500));
    let names = shortened(&long, "a.", "b", Form::CombinedTimeout);
    assert_eq!(long.len(), 512);
    assert!(names[1].0.starts_with("a.b_combined.") && !names[1].0.contains("timeout"));
}

// Kong Operator 2.3, `httproute_timeout_test.go`.
#[test]
fn timeouts_split_combined_services() {
    for (timeout, suffix) in [
        ("500ms", ".timeout.500"),
        ("0.5s", ".timeout.500"),
        ("1s", ".timeout.1000"),
        ("0s", ".timeout.2147483646"),
    ] {
        let names = services(http_route(
            "default",
            "r",
            json!({"rules": [{"backendRefs": [{"name": "svc", "port": 80}], "timeouts": {"backendRequest": timeout}}]}),
        ));
        let base = "httproute.default.svc.default.svc.80.1";
        assert_eq!(names[base], "Service default/svc", "{timeout}");
        assert_eq!(
            names[&format!("{base}{suffix}")],
            "Service default/svc",
            "{timeout}"
        );
    }
}

// facts §6.3
#[test]
fn other_routes_have_one_kong_service_for_each_rule() {
    let route = |namespace: &str, name: &str, rules: usize, service: &str, host: Option<&str>| {
        json!({"metadata": {"namespace": namespace, "name": name},
               "spec": {"hostnames": host.iter().collect::<Vec<_>>(),
                        "rules": vec![json!({"backendRefs": [{"name": service, "port": 1}]}); rules]}})
    };
    let grpc = names(read::<crds::GrpcRoute>(route(
        "default",
        "grpcbin",
        3,
        "grpcbin",
        Some("example.com"),
    )));
    assert_eq!(grpc.0, grpc.1);
    let grpcbin = "Service default/grpcbin";
    expect(
        &grpc.0,
        &[
            ("grpcroute.default.grpcbin.0", grpcbin),
            ("grpcroute.default.grpcbin.1", grpcbin),
            ("grpcroute.default.grpcbin.2", grpcbin),
            ("grpcroute.default.grpcbin.example.com.0", grpcbin),
            ("grpcroute.default.grpcbin.example.com.1", grpcbin),
            ("grpcroute.default.grpcbin.example.com.2", grpcbin),
        ],
    );
    let tcp = names(read::<crds::TcpRoute>(route(
        "tcp-namespace",
        "echo-plaintext",
        1,
        "echo",
        None,
    )));
    expect(
        &tcp.0,
        &[(
            "tcproute.tcp-namespace.echo-plaintext.0",
            "Service tcp-namespace/echo",
        )],
    );
    let tls = names(read::<crds::TlsRoute>(route(
        "tls-namespace",
        "echo-tls",
        1,
        "echo",
        Some("h"),
    )));
    expect(
        &tls.0,
        &[(
            "tlsroute.tls-namespace.echo-tls.0",
            "Service tls-namespace/echo",
        )],
    );
    let udp = names(read::<crds::UdpRoute>(route(
        "udp-example",
        "tftp",
        1,
        "tftp",
        None,
    )));
    expect(
        &udp.0,
        &[("udproute.udp-example.tftp.0", "Service udp-example/tftp")],
    );
}

#[test]
fn parents_are_gateways_or_anything() {
    let parents = |refs: Value| {
        let route = http_route("n", "r", json!({"parentRefs": refs}));
        translate(&route.into(), &mut Interner::default())
            .unwrap()
            .parents
    };
    let key = |text: &str| text.parse::<Key>().unwrap();
    assert_eq!(
        parents(json!([{"name": "b"}, {"name": "a", "namespace": "m"}, {"name": "b"}])),
        Some(vec![key("m/a"), key("n/b")])
    );
    assert_eq!(parents(json!([])), Some(vec![]));
    assert_eq!(
        parents(
            json!([{"name": "b"}, {"kind": "ListenerSet", "group": "gateway.networking.x-k8s.io", "name": "l"}])
        ),
        None
    );
}

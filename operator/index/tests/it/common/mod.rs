//! Random clusters, small and full of names that clash.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test uses its part; a test may fail so"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tagalong_crds as crds;
use tagalong_index::{Key, Object, ObjectKind};

/// An object as JSON, and what kind it is.
#[derive(Clone, Debug)]
pub struct Thing {
    pub kind: ObjectKind,
    pub json: Value,
}

impl Thing {
    pub fn new(kind: ObjectKind, namespace: &str, name: &str, body: Value) -> Self {
        let mut json = json!({"metadata": {"namespace": namespace, "name": name}});
        merge(&mut json, body);
        Self { kind, json }
    }

    pub fn key(&self) -> Key {
        let text = |key: &str| {
            self.json["metadata"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Key::new(text("namespace"), text("name"))
    }

    pub fn object(&self) -> Object {
        macro_rules! read {
            ($($kind:ident($type:ident) $written:ident,)+) => {
                match self.kind {
                    $(ObjectKind::$kind => serde_json::from_value::<crds::$type>(self.json.clone()).expect("an object").into(),)+
                }
            };
        }
        tagalong_index::for_each_kind!(read)
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "svc"])
}

fn service() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "z"])
}

// Names that read like parts of other names.
fn route_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["r", "r.0", "r._", "svc.a.x.80", "svc.a.x", "x"])
}

fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["0", "r", "*", "*.r"])
}

fn backend() -> impl Strategy<Value = Value> {
    let namespace = prop::option::weighted(0.2, namespace());
    let port = prop::option::weighted(0.9, prop::sample::select(vec![80, 1]));
    let weight = prop::option::weighted(0.5, 0..3);
    let kind = prop::option::weighted(0.1, Just("Bucket"));
    (service(), namespace, port, weight, kind).prop_map(|(name, namespace, port, weight, kind)| {
        let mut backend = json!({"name": name});
        for (key, value) in [
            ("namespace", json!(namespace)),
            ("port", json!(port)),
            ("weight", json!(weight)),
            ("kind", json!(kind)),
        ] {
            if !value.is_null() {
                backend[key] = value;
            }
        }
        backend
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let timeout = prop::option::weighted(
        0.3,
        prop::sample::select(vec!["0s", "500ms", "0.5s", "1s", "60s"]),
    );
    (prop::collection::vec(backend(), 0..3), timeout).prop_map(
        |(backends, timeout)| match timeout {
            Some(timeout) => {
                json!({"backendRefs": backends, "timeouts": {"backendRequest": timeout}})
            }
            None => json!({"backendRefs": backends}),
        },
    )
}

fn parents() -> impl Strategy<Value = Vec<Value>> {
    let gateway = prop::sample::select(vec![
        json!({"name": "g1", "namespace": "a"}),
        json!({"name": "g2", "namespace": "a"}),
        json!({"name": "l", "namespace": "a", "kind": "ListenerSet"}),
    ]);
    prop::collection::vec(gateway, 0..3)
}

/// A route or anything else that names Kong services.
pub fn source() -> impl Strategy<Value = Thing> {
    let kinds = vec![
        ObjectKind::HttpRoute,
        ObjectKind::HttpRoute,
        ObjectKind::HttpRoute,
        ObjectKind::GrpcRoute,
        ObjectKind::TcpRoute,
    ];
    let route = (
        prop::sample::select(kinds),
        namespace(),
        route_name(),
        parents(),
        prop::collection::vec(host(), 0..2),
        prop::collection::vec(rule(), 0..4),
    )
        .prop_map(|(kind, namespace, name, parents, hosts, rules)| {
            let spec = json!({"parentRefs": parents, "hostnames": hosts, "rules": rules});
            Thing::new(kind, namespace, name, json!({"spec": spec}))
        });
    let port = prop::sample::select(vec![
        json!({"number": 80}),
        json!({"name": "facade"}),
        json!({"name": "http"}),
    ]);
    let ingress = (
        namespace(),
        prop::sample::select(vec!["x", "svc", "i.x"]),
        service(),
        port,
    )
        .prop_map(|(namespace, name, service, port)| {
            let spec = json!({"defaultBackend": {"service": {"name": service, "port": port}}});
            Thing::new(ObjectKind::Ingress, namespace, name, json!({"spec": spec}))
        });
    let facade = (
        namespace(),
        prop::sample::select(vec!["x", "i.x"]),
        service(),
    )
        .prop_map(|(namespace, name, service)| {
            Thing::new(
                ObjectKind::Facade,
                namespace,
                name,
                json!({"spec": {"backendRef": {"name": service}}}),
            )
        });
    prop_oneof![6 => route, 2 => ingress, 1 => facade]
}

fn references() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(
        (prop::sample::select(vec!["e1", "e2"]), prop::option::of(namespace())).prop_map(
            |(name, namespace)| json!({"kind": "DataPlaneMetricsExtension", "name": name, "namespace": namespace}),
        ),
        0..3,
    )
}

fn party() -> impl Strategy<Value = Thing> {
    let extension = (
        prop::sample::select(vec!["e1", "e2"]),
        namespace(),
        prop::collection::btree_set(service(), 0..3),
    )
        .prop_map(|(name, namespace, services)| {
            let names: Vec<Value> = services
                .into_iter()
                .map(|name| json!({"name": name}))
                .collect();
            let spec =
                json!({"config": {"latency": true}, "serviceSelector": {"matchNames": names}});
            Thing::new(
                ObjectKind::Extension,
                namespace,
                name,
                json!({"spec": spec}),
            )
        });
    let watch = prop::option::of(prop::sample::select(vec![
        json!({"type": "own"}),
        json!({"type": "list", "list": ["b"]}),
    ]));
    let control_plane = (prop::sample::select(vec!["c1", "c2"]), namespace(), references(), 0..3, watch).prop_map(
        |(name, namespace, references, dataplane, watch)| {
            let body = match dataplane {
                0 => json!({"spec": {"dataplane": "d"}}),
                1 => json!({"spec": {"dataplane": {"type": "ref", "ref": {"name": "d"}}}}),
                _ => json!({"spec": {"dataplane": {"type": "managedByOwner"}}, "status": {"dataPlane": {"name": "d"}}}),
            };
            let mut thing = Thing::new(ObjectKind::ControlPlane, namespace, name, body);
            thing.json["spec"]["extensions"] = json!(references);
            thing.json["spec"]["watchNamespaces"] = json!(watch);
            thing
        },
    );
    let configuration = (namespace(), references()).prop_map(|(namespace, references)| {
        let spec = json!({"extensions": references});
        Thing::new(
            ObjectKind::GatewayConfiguration,
            namespace,
            "g",
            json!({"spec": spec}),
        )
    });
    let owner = prop::option::of(prop::sample::select(vec!["g1", "g2"]));
    let dataplane = (namespace(), owner, prop::option::of(Just("s1")), any::<bool>()).prop_map(
        |(namespace, owner, selector, marked)| {
            let owners: Vec<Value> = owner
                .iter()
                .map(|name| json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": name, "uid": "u"}))
                .collect();
            let labels = if marked { json!({"tagalong.dev/inject": "enabled"}) } else { json!({}) };
            let body = json!({"metadata": {"ownerReferences": owners, "labels": labels}, "status": {"selector": selector}});
            Thing::new(ObjectKind::DataPlane, namespace, "d", body)
        },
    );
    let workload = (
        prop::sample::select(vec![ObjectKind::Deployment, ObjectKind::StatefulSet]),
        namespace(),
        prop::sample::select(vec!["w", "d"]),
        any::<bool>(),
        prop::sample::select(vec!["e1", "b/e2"]),
    )
        .prop_map(|(kind, namespace, name, marked, extension)| {
            let labels = if marked { json!({"tagalong.dev/inject": "enabled"}) } else { json!({}) };
            let annotations = json!({"tagalong.dev/metrics-extension": extension});
            let body = json!({"metadata": {"labels": labels, "annotations": annotations, "uid": "w"},
                              "spec": {"selector": {"matchLabels": {"app": "kong"}}}});
            Thing::new(kind, namespace, name, body)
        });
    prop_oneof![extension, control_plane, configuration, dataplane, workload]
}

fn other() -> impl Strategy<Value = Thing> {
    let lists = vec![
        None,
        Some("mine"),
        Some("other"),
        Some("b:mine"),
        Some("e1-metrics-prometheus"),
        Some(""),
    ];
    let policy = prop::option::weighted(0.3, Just("p"));
    let annotated = (namespace(), service(), prop::sample::select(lists), policy).prop_map(
        |(namespace, name, list, policy)| {
            let mut annotations = list.map_or(
                json!({}),
                |list| json!({"konghq.com/plugins": list, "note": "kept"}),
            );
            if let Some(policy) = policy {
                annotations["konghq.com/upstream-policy"] = json!(policy);
            }
            Thing::new(
                ObjectKind::Service,
                namespace,
                name,
                json!({"metadata": {"annotations": annotations}}),
            )
        },
    );
    let plugin = (
        namespace(),
        prop::sample::select(vec!["mine", "e1-metrics-prometheus"]),
        prop::sample::select(vec!["prometheus", "cors"]),
        prop::sample::select(vec![
            json!({}),
            json!({"app.kubernetes.io/managed-by": "tagalong"}),
        ]),
    )
        .prop_map(|(namespace, name, plugin, labels)| {
            Thing::new(
                ObjectKind::Plugin,
                namespace,
                name,
                json!({"metadata": {"labels": labels}, "plugin": plugin}),
            )
        });
    let cluster = (any::<bool>(), any::<bool>()).prop_map(|(global, secret)| {
        let labels = if global { json!({"global": "true"}) } else { json!({}) };
        let mut thing = Thing::new(
            ObjectKind::ClusterPlugin,
            "",
            "other",
            json!({"metadata": {"labels": labels}, "plugin": "prometheus", "config": {"per_consumer": true}}),
        );
        if secret {
            thing.json["configFrom"] = json!({"secretKeyRef": {}});
        }
        thing
    });
    let pod = (namespace(), 0..3, 0..3, any::<bool>()).prop_map(|(namespace, name, owner, injected)| {
        let (labels, owner) = match owner {
            0 => (json!({"gateway-operator.konghq.com/selector": "s1"}), json!({"kind": "ReplicaSet", "name": "d-1"})),
            1 => (json!({"app": "kong"}), json!({"kind": "ReplicaSet", "name": "w-1"})),
            _ => (json!({"app": "kong"}), json!({"kind": "StatefulSet", "name": "w"})),
        };
        let mut owner = owner;
        merge(&mut owner, json!({"apiVersion": "apps/v1", "controller": true, "uid": "w"}));
        let ports = if injected { json!([{"name": "tagalong", "containerPort": 9542}]) } else { json!([]) };
        let name = format!("p{name}");
        let uid = format!("uid-{namespace}-{name}");
        let metadata = json!({"uid": uid, "labels": labels, "ownerReferences": [owner]});
        let body = json!({"metadata": metadata, "spec": {"containers": [{"name": "s", "ports": ports}]},
                          "status": {"phase": "Running", "podIP": "10.0.0.1"}});
        Thing::new(ObjectKind::Pod, namespace, &name, body)
    });
    prop_oneof![3 => annotated, 1 => plugin, 1 => cluster, 2 => pod]
}

/// What decides where references lead, Services apart.
pub fn referent() -> impl Strategy<Value = Thing> {
    let kind = prop::sample::select(vec!["HTTPRoute", "GRPCRoute", "TCPRoute"]);
    let grant = (namespace(), kind, namespace(), prop::option::of(service())).prop_map(
        |(namespace, kind, from, to)| {
            let from =
                json!([{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": from}]);
            let mut to = json!([{"group": "", "kind": "Service", "name": to}]);
            if to[0]["name"].is_null() {
                to = json!([{"group": "", "kind": "Service"}]);
            }
            Thing::new(
                ObjectKind::Grant,
                namespace,
                "g",
                json!({"spec": {"from": from, "to": to}}),
            )
        },
    );
    let algorithms = vec![
        None,
        Some("round-robin"),
        Some("consistent-hashing"),
        Some("least-connections"),
    ];
    let policy =
        (namespace(), prop::sample::select(algorithms)).prop_map(|(namespace, algorithm)| {
            let spec = algorithm.map_or(json!({}), |algorithm| json!({"algorithm": algorithm}));
            Thing::new(
                ObjectKind::UpstreamPolicy,
                namespace,
                "p",
                json!({"spec": spec}),
            )
        });
    let hosts = prop::collection::vec(prop::option::of(host()), 0..3);
    let gateway = (prop::sample::select(vec!["g1", "g2"]), hosts).prop_map(|(name, hosts)| {
        let listeners: Vec<Value> = hosts
            .into_iter()
            .map(|host| host.map_or(json!({}), |host| json!({"hostname": host})))
            .collect();
        let spec = json!({"listeners": listeners});
        Thing::new(ObjectKind::Gateway, "a", name, json!({"spec": spec}))
    });
    prop_oneof![2 => grant, 1 => policy, 1 => gateway]
}

/// A Service, perhaps with a policy.
pub fn some_service() -> impl Strategy<Value = Thing> {
    let policy = prop::option::weighted(0.3, Just("p"));
    (namespace(), service(), policy).prop_map(|(namespace, name, policy)| {
        let annotations = policy.map_or(
            json!({}),
            |policy| json!({"konghq.com/upstream-policy": policy}),
        );
        let body = json!({"metadata": {"annotations": annotations}});
        Thing::new(ObjectKind::Service, namespace, name, body)
    })
}

/// Any object that the index knows.
pub fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![4 => source(), 3 => party(), 2 => other(), 2 => referent()]
}

/// What stays when things come one after the other: the last of each kind and name.
pub fn settled(things: &[Thing]) -> Vec<Thing> {
    let mut last = std::collections::BTreeMap::new();
    for thing in things {
        last.insert((thing.kind, thing.key()), thing.clone());
    }
    last.into_values().collect()
}

//! Random clusters: Services, Gateways, and everything that makes Kong name a service.
//!
//! Objects are as an API server answers them, with defaults filled in. Names are few, and read like parts of other names.

mod ingresses;
mod routes;
mod services;

use serde_json::{Value, json};
use tagalong_index::Key;

use super::program::Controller;
use super::random::Random;

/// A cluster.
#[derive(Clone, Debug)]
pub struct World {
    /// The seed that it is made from.
    pub seed: u64,
    /// Whose table is asked for.
    pub dataplane: Key,
    /// Whether it belongs to a Gateway, which is the only one that its controller then looks at.
    pub managed: bool,
    /// What there is in the end.
    pub objects: Vec<Value>,
    /// What was before, and is another or gone in the end.
    pub past: Vec<Value>,
}

/// What the generators share.
struct Maker {
    random: Random,
    namespaces: Vec<&'static str>,
    /// Namespace and name of the Services that exist.
    services: Vec<(&'static str, String)>,
    addresses: usize,
    objects: Vec<Value>,
}

const NAMESPACES: [&str; 6] = ["a", "b", "svc", "team-x", "httproute", "ns-1"];

/// Where Gateways and DataPlanes are.
const KONG: &str = "kong";

impl World {
    pub fn new(seed: u64) -> Self {
        let mut make = Maker {
            random: Random::new(seed),
            namespaces: Vec::new(),
            services: Vec::new(),
            addresses: 0,
            objects: Vec::new(),
        };
        let mut namespaces = NAMESPACES;
        make.random.shuffle(&mut namespaces);
        let count = make.random.between(1, 3);
        make.namespaces.extend(&namespaces[..count]);

        make.services();
        let managed = make.random.percent(33);
        let dataplane = make.dataplane(managed);
        make.sources();
        let objects = std::mem::take(&mut make.objects);
        // The same kinds and names once more, otherwise made, and some that are gone.
        make.sources();
        let mut past = std::mem::take(&mut make.objects);
        if make.random.percent(50) {
            past.clear();
        }
        let unique = |objects: Vec<Value>| {
            let mut seen = std::collections::BTreeSet::new();
            let new = |object: &Value| seen.insert(identity(object));
            objects.into_iter().filter(new).collect()
        };
        Self {
            seed,
            dataplane,
            managed,
            objects: unique(objects),
            past: unique(past),
        }
    }

    /// The controller of the DataPlane.
    pub fn controller(&self) -> Controller<'static> {
        Controller {
            name: controller(self.managed),
            gateway: if self.managed { "kong/g1" } else { "" },
        }
    }

    /// Whether there is a Service of this name, as `NAMESPACE/NAME`.
    pub fn has_service(&self, name: &str) -> bool {
        let mut services = self
            .objects
            .iter()
            .filter(|object| object["kind"] == "Service");
        services.any(|service| identity(service).ends_with(&format!(" {name}")))
    }
}

/// Group, kind, namespace and name of an object.
pub fn identity(object: &Value) -> String {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let version = text("/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    format!("{group} {} {namespace}/{name}", text("/kind"))
}

fn controller(managed: bool) -> &'static str {
    if managed {
        "konghq.com/gateway-operator"
    } else {
        "konghq.com/kic-gateway-controller"
    }
}

impl Maker {
    fn add(&mut self, version: &str, kind: &str, namespace: &str, name: &str, body: Value) {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {
            "namespace": namespace, "name": name, "generation": 1,
            "uid": format!("{kind}-{namespace}-{name}"),
            "creationTimestamp": format!("2026-01-{:02}T00:00:00Z", self.random.between(1, 28)),
        }});
        if namespace.is_empty() {
            object["metadata"]
                .as_object_mut()
                .expect("metadata")
                .remove("namespace");
        }
        if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
            for (key, value) in body {
                if let ("metadata", Value::Object(more)) = (key.as_str(), &value) {
                    let metadata = object["metadata"].as_object_mut().expect("metadata");
                    metadata.extend(more.clone());
                } else {
                    object.insert(key, value);
                }
            }
        }
        self.objects.push(object);
    }

    fn namespace(&mut self) -> &'static str {
        self.random.pick(&self.namespaces)
    }

    /// The Gateways, and a DataPlane of one of the ways in which there can be one.
    fn dataplane(&mut self, managed: bool) -> Key {
        for (class, controller) in [(KONG, controller(managed)), ("other", "example.com/other")] {
            let annotations = json!({"konghq.com/gatewayclass-unmanaged": "true"});
            let metadata = if managed {
                json!({})
            } else {
                json!({"annotations": annotations})
            };
            let body = json!({"metadata": metadata, "spec": {"controllerName": controller}});
            self.add(
                "gateway.networking.k8s.io/v1",
                "GatewayClass",
                "",
                class,
                body,
            );
        }
        for (name, class) in [("g1", KONG), ("g2", "other"), ("g3", KONG)] {
            let gateway = self.gateway(class);
            self.add(
                "gateway.networking.k8s.io/v1",
                "Gateway",
                KONG,
                name,
                gateway,
            );
        }
        let name = if managed { "g1" } else { "dp" };
        if !managed && self.random.percent(50) {
            let body = json!({"metadata": {"labels": {"tagalong.dev/inject": "enabled"}}, "spec": {
                "selector": {"matchLabels": {"app": "kong"}},
                "template": {"metadata": {"labels": {"app": "kong"}}, "spec": {"containers": []}},
            }});
            self.add("apps/v1", "Deployment", KONG, name, body);
            return Key::new(KONG, name);
        }
        let metadata = if managed {
            json!({"ownerReferences": [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": name,
                "uid": format!("Gateway-{KONG}-{name}"), "controller": true}]})
        } else {
            json!({})
        };
        let operator = "gateway-operator.konghq.com/v1beta1";
        let dataplane = json!({"metadata": metadata, "spec": {}});
        self.add(operator, "DataPlane", KONG, name, dataplane);
        let control_plane = json!({"metadata": metadata, "spec": {"dataplane": name}});
        self.add(operator, "ControlPlane", KONG, name, control_plane);
        Key::new(KONG, name)
    }

    fn gateway(&mut self, class: &str) -> Value {
        let http = self.random.weighted(&[
            (7, None),
            (2, Some("*.l.example.com")),
            (1, Some("l.example.com")),
        ]);
        let listeners = [
            ("http", "HTTP", 80),
            ("tcp", "TCP", 9000),
            ("udp", "UDP", 9001),
            ("tls", "TLS", 9443),
        ];
        let spec = listeners.map(|(name, protocol, port)| {
            let mut listener = json!({"name": name, "protocol": protocol, "port": port,
                "allowedRoutes": {"namespaces": {"from": "All"}}});
            if protocol == "TLS" {
                listener["tls"] = json!({"mode": "Passthrough"});
            }
            if let (Some(host), "HTTP") = (http, protocol) {
                listener["hostname"] = json!(host);
            }
            listener
        });
        let conditions = |types: &[&str]| {
            let condition = |kind: &&str| {
                json!({"type": kind, "status": "True", "reason": kind, "message": "",
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"})
            };
            types.iter().map(condition).collect::<Vec<_>>()
        };
        let status = listeners.map(|(name, _, _)| {
            let conditions = conditions(&["Accepted", "Programmed", "ResolvedRefs"]);
            json!({"name": name, "attachedRoutes": 0, "supportedKinds": [], "conditions": conditions})
        });
        json!({
            "spec": {"gatewayClassName": class, "listeners": spec},
            "status": {"conditions": conditions(&["Accepted", "Programmed"]), "listeners": status},
        })
    }

    /// What makes Kong name a service.
    fn sources(&mut self) {
        for _ in 0..self.random.between(1, 6) {
            match self.random.weighted(&[
                (20, 0),
                (8, 1),
                (4, 2),
                (3, 3),
                (2, 4),
                (2, 5),
                (2, 6),
                (2, 7),
            ]) {
                0 => self.route("HTTPRoute"),
                1 => self.ingress(),
                2 => self.route("GRPCRoute"),
                3 => self.facade(),
                4 => self.route("TCPRoute"),
                5 => self.route("TLSRoute"),
                6 => self.route("UDPRoute"),
                _ => self.l4_ingress(),
            }
        }
    }
}

//! Routes of many shapes, and Services that can be told apart by where they lead.

use serde_json::{Value, json};

/// Where the pods of the Service with this name are said to be: documentation addresses, one for each.
fn address(service: &str) -> String {
    let last = service.bytes().map(u32::from).sum::<u32>() % 200 + 1;
    format!("192.0.2.{last}")
}

/// The Services behind the routes, and the target that stands for each in Kong.
pub fn services() -> Vec<(&'static str, String)> {
    ["one", "two", "three", "kept", "drained"]
        .into_iter()
        .map(|name| (name, address(name)))
        .collect()
}

/// What `kept` and `drained` are balanced by.
fn policy() -> Value {
    json!({
        "apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy", "metadata": {"name": "least"},
        "spec": {"algorithm": "least-connections"},
    })
}

fn service(name: &str) -> [Value; 2] {
    let ports = [("http", 80, 8080), ("other", 8081, 9090)];
    let annotations = match name {
        "kept" | "drained" => json!({"konghq.com/upstream-policy": "least"}),
        _ => json!({}),
    };
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": annotations},
        "spec": {"ports": ports.map(|(name, port, target)| json!({"name": name, "port": port, "targetPort": target}))},
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address(name)], "conditions": {"ready": true}}],
        "ports": ports.map(|(name, _, target)| json!({"name": name, "port": target, "protocol": "TCP"})),
    });
    [service, slice]
}

/// A Service that leads to a port of this machine.
fn here(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "annotations": {"konghq.com/plugins": "prometheus"}},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    })
}

fn plugin() -> Value {
    json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": {"name": "prometheus"},
        "plugin": "prometheus", "config": {"latency_metrics": true},
    })
}

/// Name, port and weight.
type Backend = (&'static str, u16, u32);

fn route(name: &str, rules: &[(&str, &[Backend])]) -> Value {
    let rules = rules.iter().map(|(path, backends)| {
        let backends = backends.iter().map(
            |(name, port, weight)| json!({"kind": "Service", "name": name, "port": port, "weight": weight}),
        );
        json!({
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "backendRefs": backends.collect::<Vec<_>>(),
        })
    });
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": name, "annotations": {"konghq.com/strip-path": "true"}},
        "spec": {"parentRefs": [{"name": "kong"}], "rules": rules.collect::<Vec<_>>()},
    })
}

fn ingress(name: &str, spec: &Value) -> Value {
    let mut ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec,
    });
    ingress["spec"]["ingressClassName"] = json!("kong");
    ingress
}

/// Gateway API's and Ingress' ways to one Service, to two, to one by two ports, and to one by several ways.
pub fn routes(echo: u16) -> Vec<Value> {
    let path = |path: &str, service: &str, port: Value| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": port}}});
    let mut header = route("changed", &[("/changed", &[("three", 80, 1)])]);
    header["spec"]["rules"][0]["filters"] = json!([
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}}
    ]);
    let mut hosts = route("hosts", &[("/", &[("three", 8081, 1)])]);
    hosts["spec"]["hostnames"] = json!(["a.example.com", "*.example.org"]);
    // Nobody in that namespace permits it.
    let mut foreign = route("foreign", &[("/h", &[("one", 80, 1)])]);
    foreign["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("default");
    let mut beside = route("beside", &[("/i", &[("one", 80, 1), ("two", 80, 1)])]);
    beside["spec"]["rules"][0]["backendRefs"][1]["namespace"] = json!("default");
    vec![
        foreign,
        beside,
        route(
            "leftover",
            &[("/j", &[("kept", 80, 1), ("drained", 80, 0)])],
        ),
        route("missing", &[("/k", &[("one", 80, 1), ("nowhere", 80, 1)])]),
        route("echo", &[("/echo", &[("echo", echo, 1)])]),
        route(
            "shared-a",
            &[
                ("/a", &[("one", 80, 1)]),
                ("/b", &[("one", 80, 1)]),
                ("/c", &[("two", 80, 1)]),
            ],
        ),
        route("shared-b", &[("/d", &[("one", 80, 1)])]),
        route("split", &[("/e", &[("one", 80, 75), ("two", 8081, 25)])]),
        route("ports", &[("/f", &[("two", 80, 1), ("two", 8081, 3)])]),
        route("drained", &[("/g", &[("two", 80, 1), ("three", 80, 0)])]),
        header,
        hosts,
        ingress(
            "web",
            &json!({
                "defaultBackend": {"service": {"name": "three", "port": {"name": "other"}}},
                "rules": [{"host": "web.example.com", "http": {"paths": [
                    path("/number", "one", json!({"number": 80})),
                    path("/name", "two", json!({"name": "http"})),
                    path("/again", "two", json!({"number": 80})),
                ]}}],
            }),
        ),
    ]
}

/// All objects but the Gateway's own.
pub fn all(echo: u16) -> Vec<Value> {
    let mut all = routes(echo);
    for (name, _) in services() {
        all.extend(service(name));
    }
    all.extend([here("echo"), plugin(), policy()]);
    all
}

/// An unmanaged Gateway on the port of the Service `kong`, which leads to the proxy.
pub fn gateway(class: &str, proxy: u16) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kong"},
            "spec": {"ports": [{"name": "proxy", "port": 80, "targetPort": proxy}]},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": class, "annotations": {"konghq.com/gatewayclass-unmanaged": "true"}},
            "spec": {"controllerName": "konghq.com/kic-gateway-controller"},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "kong"},
            "spec": {"gatewayClassName": class, "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]},
        }),
    ]
}

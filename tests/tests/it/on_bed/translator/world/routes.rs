//! Routes of the Gateway API.

use serde_json::{Value, json};

use super::{KONG, Maker};

const LONG: &str = "veeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeery";
const NAMES: [&str; 8] = [
    "r",
    "r.0",
    "r.0.0",
    "r-1",
    "r._",
    "x",
    "svc.a.x.80",
    "svc.a.x",
];

impl Maker {
    pub(super) fn route(&mut self, kind: &'static str) {
        let (namespace, name) = (self.namespace(), self.route_name());
        let section = match kind {
            "HTTPRoute" | "GRPCRoute" => "http",
            "TCPRoute" => "tcp",
            "UDPRoute" => "udp",
            _ => "tls",
        };
        let mut parents = Vec::new();
        for _ in 0..self.random.between(1, 2) {
            let gateway = self.random.pick(&["g1", "g1", "g1", "g2", "g3", "g4"]);
            let mut parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": KONG, "name": gateway});
            if self.random.percent(30) {
                parent["sectionName"] = json!(section);
            }
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let mut rules = Vec::new();
        let stream = matches!(kind, "TCPRoute" | "UDPRoute" | "TLSRoute");
        let count = if stream {
            self.random.weighted(&[(8, 1), (2, 2)])
        } else {
            self.random.between(1, 3)
        };
        for _ in 0..count {
            let rule = self.rule(kind, namespace);
            rules.push(rule);
            // Rules alike share a Kong service.
            if self.random.percent(15) {
                let mut again = rules[0].clone();
                if kind == "HTTPRoute" {
                    again["matches"] = json!([{"path": {"type": "PathPrefix", "value": "/again"}}]);
                }
                rules.push(again);
            }
        }
        let mut spec = json!({"parentRefs": parents, "rules": rules});
        if !matches!(kind, "TCPRoute" | "UDPRoute") {
            let least = usize::from(kind == "TLSRoute");
            let mut hosts = Vec::new();
            for _ in 0..self.random.between(least, 2) {
                let host = self.random.pick(&[
                    "a.example.com",
                    "*.example.com",
                    "0",
                    "r",
                    "1",
                    "l.example.com",
                    "*.r",
                    "x.l.example.com",
                ]);
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            if !hosts.is_empty() {
                spec["hostnames"] = json!(hosts);
            }
        }
        let version = if stream { "v1alpha2" } else { "v1" };
        let annotations = if self.random.percent(20) {
            json!({"konghq.com/strip-path": "true"})
        } else {
            json!({})
        };
        let body = json!({"metadata": {"annotations": annotations}, "spec": spec});
        self.add(
            &format!("gateway.networking.k8s.io/{version}"),
            kind,
            namespace,
            &name,
            body,
        );
    }

    fn route_name(&mut self) -> String {
        if self.random.percent(4) {
            return [LONG; 3].join(".");
        }
        self.random.pick(&NAMES).to_owned()
    }

    fn rule(&mut self, kind: &str, namespace: &'static str) -> Value {
        let mut refs = Vec::new();
        let stream = matches!(kind, "TCPRoute" | "UDPRoute" | "TLSRoute");
        let least = usize::from(stream);
        // Eight of them make names that are too long and are hashed.
        let count = self
            .random
            .weighted(&[(1, least), (10, 1), (7, 2), (3, 3), (1, 8)]);
        for _ in 0..count {
            let backend = self.backend(namespace);
            refs.push(backend);
        }
        let mut rule = json!({"backendRefs": refs});
        match kind {
            "HTTPRoute" => {
                let mut matches = Vec::new();
                for _ in 0..self.random.between(1, 2) {
                    let path = self.random.pick(&["/", "/a", "/b", "/c/d"]);
                    let kind = self.random.pick(&[
                        "PathPrefix",
                        "PathPrefix",
                        "Exact",
                        "RegularExpression",
                    ]);
                    matches.push(json!({"path": {"type": kind, "value": path}}));
                }
                rule["matches"] = json!(matches);
                if self.random.percent(15) {
                    rule["timeouts"] =
                        json!({"backendRequest": self.random.pick(&["1s", "500ms", "60s", "0s"])});
                }
                if self.random.percent(10) {
                    rule["filters"] = json!([{"type": "RequestHeaderModifier",
                        "requestHeaderModifier": {"add": [{"name": "x", "value": "0"}]}}]);
                }
            }
            "GRPCRoute" if self.random.percent(70) => {
                rule["matches"] =
                    json!([{"method": {"type": "Exact", "service": "p.S", "method": "A"}}]);
            }
            _ => {}
        }
        rule
    }

    fn backend(&mut self, namespace: &'static str) -> Value {
        let elsewhere = self.random.percent(18);
        let target = if elsewhere {
            self.namespace()
        } else {
            namespace
        };
        let mut backend = json!({"group": "", "kind": "Service", "name": self.service_name(target),
            "weight": self.random.weighted(&[(12, 1), (5, 0), (2, 5), (1, 100)])});
        if elsewhere {
            backend["namespace"] = json!(target);
        }
        match self.random.below(30) {
            // None at all.
            0 => {}
            1 | 2 => backend["port"] = json!(1234),
            3 => {
                backend["group"] = json!("example.com");
                backend["kind"] = json!("Bucket");
            }
            4 => {
                backend["group"] = json!("example.com");
                backend["port"] = json!(80);
            }
            5..=9 => backend["port"] = json!(8081),
            _ => backend["port"] = json!(80),
        }
        backend
    }
}

//! Services, their addresses, how they are balanced, and who else may refer to them.

use serde_json::{Value, json};

use super::Maker;

/// The longest label that DNS allows.
const LONG: &str = "loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong";
const NAMES: [&str; 10] = [
    "x", "y", "z", "web", "x-y", "echo", "svc", "facade", "r-0", LONG,
];

/// Names of KongUpstreamPolicies, and the algorithm of each.
pub const POLICIES: [(&str, &str); 4] = [
    ("least", "least-connections"),
    ("latency", "latency"),
    ("hash", "consistent-hashing"),
    ("round", "round-robin"),
];

impl Maker {
    pub(super) fn services(&mut self) {
        for namespace in self.namespaces.clone() {
            for (name, algorithm) in POLICIES {
                if self.random.percent(80) {
                    let mut spec = json!({"algorithm": algorithm});
                    if algorithm == "consistent-hashing" {
                        spec["hashOn"] = json!({"input": "ip"});
                    }
                    let policy = json!({"spec": spec});
                    self.add(
                        "configuration.konghq.com/v1beta1",
                        "KongUpstreamPolicy",
                        namespace,
                        name,
                        policy,
                    );
                }
            }
            let mut names = NAMES;
            self.random.shuffle(&mut names);
            for name in &names[..self.random.between(2, 4)] {
                self.service(namespace, name);
            }
            if self.random.percent(50) {
                self.grant(namespace);
            }
        }
    }

    /// The name of a Service, which need not exist; some have dots, which no Service's can have.
    pub(super) fn service_name(&mut self, namespace: &str) -> String {
        let here: Vec<&str> = self
            .services
            .iter()
            .filter(|(other, _)| *other == namespace)
            .map(|(_, name)| name.as_str())
            .collect();
        match self.random.below(20) {
            0 => "missing".to_owned(),
            1 => self.random.pick(&["x.80", "svc.a", "svc.a.x"]).to_owned(),
            _ => self.random.pick(&here).to_owned(),
        }
    }

    fn service(&mut self, namespace: &'static str, name: &str) {
        self.addresses += 1;
        let number = self.addresses;
        let mut ports =
            vec![json!({"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"})];
        if self.random.percent(70) {
            ports.push(
                json!({"name": "other", "port": 8081, "targetPort": 9090, "protocol": "TCP"}),
            );
        }
        if self.random.percent(20) {
            ports.push(json!({"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"}));
        }
        let mut annotations = json!({});
        if self.random.percent(5) {
            annotations["konghq.com/service-upstream"] = json!("true");
        }
        if self.random.percent(5) {
            annotations["konghq.com/plugins"] = json!("p");
        }
        if self.random.percent(25) {
            // Mostly one, so that whole rules have it: on unlike Services Kong drops the rule.
            let policy = self.random.pick(&[
                "least", "least", "least", "latency", "hash", "round", "missing",
            ]);
            annotations["konghq.com/upstream-policy"] = json!(policy);
        }
        let spec = match self.random.below(10) {
            0 => json!({"type": "ClusterIP", "clusterIP": "None", "ports": ports}),
            1 => {
                json!({"type": "ExternalName", "externalName": format!("e{number}.example.com"), "ports": ports})
            }
            _ => json!({"type": "ClusterIP", "ports": ports}),
        };
        let body = json!({"metadata": {"annotations": annotations}, "spec": spec});
        self.add("v1", "Service", namespace, name, body);
        self.services.push((namespace, name.to_owned()));
        if self.random.percent(93) {
            self.endpoints(namespace, name, &ports);
        }
    }

    fn endpoints(&mut self, namespace: &str, name: &str, ports: &[Value]) {
        let number = self.addresses;
        let mut endpoints = Vec::new();
        for last in 1..=self.random.between(1, 3) {
            let conditions = match self.random.below(20) {
                0 => json!({"ready": false}),
                1 => json!({"ready": false, "serving": true, "terminating": true}),
                _ => json!({"ready": true}),
            };
            endpoints.push(
                json!({"addresses": [format!("10.{number}.0.{last}")], "conditions": conditions}),
            );
        }
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| json!({"name": port["name"], "port": port["targetPort"], "protocol": port["protocol"]}))
            .collect();
        let body = json!({"metadata": {"labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports});
        self.add(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            namespace,
            &format!("{name}-s"),
            body,
        );
    }

    fn grant(&mut self, namespace: &str) {
        let mut from = Vec::new();
        for _ in 0..self.random.between(1, 3) {
            let kind = self.random.pick(&[
                "HTTPRoute",
                "HTTPRoute",
                "HTTPRoute",
                "GRPCRoute",
                "TCPRoute",
                "TLSRoute",
                "UDPRoute",
            ]);
            let other = self.namespace();
            from.push(
                json!({"group": "gateway.networking.k8s.io", "kind": kind, "namespace": other}),
            );
        }
        let mut to = json!({"group": "", "kind": "Service"});
        match self.random.below(6) {
            0 => to["name"] = json!("x"),
            1 => to["kind"] = json!("Secret"),
            2 => to["name"] = json!(self.service_name(namespace)),
            _ => {}
        }
        let body = json!({"spec": {"from": from, "to": [to]}});
        self.add(
            "gateway.networking.k8s.io/v1beta1",
            "ReferenceGrant",
            namespace,
            "grant",
            body,
        );
    }
}

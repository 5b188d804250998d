//! Ingresses, the facades that they may name, and the older ingresses of TCP and UDP.

use serde_json::{Value, json};

use super::Maker;

const FACADE_GROUP: &str = "incubator.ingress-controller.konghq.com";
const NAMES: [&str; 6] = ["i", "x", "svc", "i.x", "httproute", "a.b"];
const FACADES: [&str; 4] = ["f", "x", "facade", "i.x"];

impl Maker {
    pub(super) fn ingress(&mut self) {
        let (namespace, name) = (self.namespace(), self.random.pick(&NAMES));
        let mut spec = json!({});
        if self.random.percent(25) {
            spec["defaultBackend"] = self.ingress_backend(namespace);
        }
        let mut rules = Vec::new();
        for _ in 0..self.random.between(usize::from(spec == json!({})), 2) {
            let mut paths = Vec::new();
            for _ in 0..self.random.between(1, 3) {
                let kind = self
                    .random
                    .pick(&["Prefix", "Exact", "ImplementationSpecific"]);
                let path = self.random.pick(&["/", "/a", "/b"]);
                paths.push(json!({"path": path, "pathType": kind, "backend": self.ingress_backend(namespace)}));
            }
            let mut rule = json!({"http": {"paths": paths}});
            if self.random.percent(60) {
                rule["host"] = json!(self.random.pick(&["a.example.com", "*.example.com", "r"]));
            }
            rules.push(rule);
        }
        spec["rules"] = json!(rules);
        let mut annotations = json!({});
        match self.random.below(10) {
            0 => {}
            1 => spec["ingressClassName"] = json!("other"),
            2 => annotations = class(),
            _ => spec["ingressClassName"] = json!("kong"),
        }
        let body = json!({"metadata": {"annotations": annotations}, "spec": spec});
        self.add("networking.k8s.io/v1", "Ingress", namespace, name, body);
    }

    fn ingress_backend(&mut self, namespace: &'static str) -> Value {
        if self.random.percent(15) {
            let name = self.random.pick(&FACADES);
            return json!({"resource": {"apiGroup": FACADE_GROUP, "kind": "KongServiceFacade", "name": name}});
        }
        let port = match self.random.below(12) {
            0..=6 => json!({"number": 80}),
            7 => json!({"number": 8081}),
            8 => json!({"number": 1234}),
            9 | 10 => json!({"name": "http"}),
            _ => json!({"name": "none"}),
        };
        json!({"service": {"name": self.service_name(namespace), "port": port}})
    }

    pub(super) fn facade(&mut self) {
        let (namespace, name) = (self.namespace(), self.random.pick(&FACADES));
        let backend = json!({"name": self.service_name(namespace), "port": 80});
        let body = json!({"metadata": {"annotations": class()}, "spec": {"backendRef": backend}});
        self.add(
            &format!("{FACADE_GROUP}/v1alpha1"),
            "KongServiceFacade",
            namespace,
            name,
            body,
        );
    }

    pub(super) fn l4_ingress(&mut self) {
        let kind = self.random.pick(&["TCPIngress", "UDPIngress"]);
        let namespace = self.namespace();
        let mut rules = Vec::new();
        for port in 0..self.random.between(1, 2) {
            let number = self
                .random
                .weighted(&[(6, 80), (2, 8081), (1, 53), (1, 1234)]);
            let backend =
                json!({"serviceName": self.service_name(namespace), "servicePort": number});
            rules.push(json!({"port": 9000 + port, "backend": backend}));
        }
        let name = self.random.pick(&["t", "u.x", "x"]);
        let body = json!({"metadata": {"annotations": class()}, "spec": {"rules": rules}});
        self.add(
            "configuration.konghq.com/v1beta1",
            kind,
            namespace,
            name,
            body,
        );
    }
}

fn class() -> Value {
    json!({"kubernetes.io/ingress.class": "kong"})
}

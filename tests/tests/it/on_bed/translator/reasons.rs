//! Why a name may be left out although all its targets are one Service's now.

use std::fmt;

use serde_json::{Value, json};
use tagalong_index::Index;
use tagalong_tests::judge::{Answer, Verdict};

use super::program::Translator;
use super::table::is_ambiguous;
use super::world::World;

/// All the reasons that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Another of the rule's Services gets endpoints, or the port that it is asked for, and the traffic is split.
    MayComeBack,
    /// Another object would give the name to another Service under another version or setting of Kong's controller.
    Ambiguous,
    /// None.
    Unexplained,
}

/// The reason for each missed name. Whether something may come back is asked of the translator: it is given the same world in
/// which every Service has all ports, and pods behind them.
pub fn reasons(
    world: &World,
    index: &Index,
    verdicts: &[(Answer, Verdict)],
    translator: &mut Translator,
) -> Vec<(String, Reason)> {
    if verdicts
        .iter()
        .all(|(_, verdict)| verdict.missed.is_empty())
    {
        return Vec::new();
    }
    let flags: Vec<&str> = verdicts
        .iter()
        .map(|(answer, _)| answer.flags.as_str())
        .collect();
    let complete = translator.ask(world.controller(), &completed(&world.objects), &flags);
    let mut reasons = Vec::new();
    for ((_, verdict), complete) in verdicts.iter().zip(&complete) {
        for name in verdict.missed.keys() {
            let upstream = complete
                .services
                .get(name)
                .and_then(|service| complete.upstreams.get(&service.upstream));
            let reason = if upstream.is_some_and(|upstream| upstream.targets.len() > 1) {
                Reason::MayComeBack
            } else if is_ambiguous(index, world, name) {
                Reason::Ambiguous
            } else {
                Reason::Unexplained
            };
            reasons.push((name.clone(), reason));
        }
    }
    reasons
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MayComeBack => {
                "another Service of the rule has no endpoints or not that port, which may change"
            }
            Self::Ambiguous => "another object claims the name for another Service",
            Self::Unexplained => "no reason",
        })
    }
}

/// Names and numbers of ports that anything in a world asks for. A reference without a port is one to port -1.
const PORTS: [(&str, i32); 6] = [
    ("http", 80),
    ("other", 8081),
    ("dns", 53),
    ("extra", 1234),
    ("none", 4321),
    ("no-port", -1),
];

fn completed(objects: &[Value]) -> Vec<Value> {
    let port = |(name, number): (&str, i32)| json!({"name": name, "port": number, "targetPort": number.abs(), "protocol": "TCP"});
    let address = |(name, number): (&str, i32)| json!({"name": name, "port": number.abs(), "protocol": "TCP"});
    let mut all: Vec<Value> = objects
        .iter()
        .filter(|object| object["kind"] != "EndpointSlice")
        .cloned()
        .collect();
    let mut slices = Vec::new();
    for (number, service) in all
        .iter_mut()
        .filter(|object| object["kind"] == "Service")
        .enumerate()
    {
        service["spec"]["ports"] = json!(PORTS.map(port));
        let metadata = &service["metadata"];
        slices.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": metadata["namespace"], "name": metadata["name"], "labels": {"kubernetes.io/service-name": metadata["name"]}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [format!("10.{number}.0.1")], "conditions": {"ready": true}}],
            "ports": PORTS.map(address),
        }));
    }
    all.extend(slices);
    all
}

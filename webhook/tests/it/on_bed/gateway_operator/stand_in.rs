//! A stand-in for the Gateway controller of Kong Operator 2.2, which cannot be built here: it compares a DataPlane with what version
//! `v2beta1` of the GatewayConfiguration says, and patches only where they differ (`provisionDataPlane` and
//! `dataplaneSpecDeepEqual` in its `controller/gateway/controller.go`). It makes a Deployment of the DataPlane whenever that changes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::support::webhook::{Answered, try_call};

const KONG: &str = "/apis/gateway-operator.konghq.com";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
const IMAGE: &str = "kong/kong-gateway:3.14";
/// Of the Deployment: what it was made of.
const HASH: &str = "gateway-operator.konghq.com/spec-hash";

/// What it did.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    pub writes: u64,
    pub refusals: Vec<String>,
}

/// Compares until it is dropped.
pub struct StandIn {
    deeds: Arc<Mutex<Deeds>>,
    task: JoinHandle<()>,
}

impl StandIn {
    /// All objects are called `kong`.
    pub fn start(client: Client, namespace: &str) -> Self {
        let deeds = Arc::new(Mutex::new(Deeds::default()));
        let (noted, namespace) = (Arc::clone(&deeds), namespace.to_owned());
        let task = tokio::spawn(async move {
            loop {
                look(&client, &namespace, &noted).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { deeds, task }
    }

    pub fn deeds(&self) -> Deeds {
        self.deeds.lock().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One reconcile of the Gateway, and one of its DataPlane.
async fn look(client: &Client, namespace: &str, deeds: &Mutex<Deeds>) {
    let path =
        |version: &str, kind: &str| format!("{KONG}/{version}/namespaces/{namespace}/{kind}s/kong");
    let configuration = read(client, &path("v2beta1", "gatewayconfiguration")).await;
    let dataplane_path = path("v1beta1", "dataplane");
    let dataplane = read(client, &dataplane_path).await;
    let (Some(configuration), Some(dataplane)) = (configuration, dataplane) else {
        return;
    };
    let options = &configuration["spec"]["dataPlaneOptions"]["deployment"];
    let (desired, stands) = (filled(&options["podTemplateSpec"]), &dataplane["spec"]);
    let stands = &stands["deployment"]["podTemplateSpec"];
    if typed(&desired) != typed(stands) {
        let patch =
            json!({"spec": {"deployment": {"podTemplateSpec": difference(stands, &desired)}}});
        let patched = try_call(client, Method::PATCH, &dataplane_path, Some(&patch)).await;
        return note(deeds, patched);
    }
    deploy(client, namespace, stands, deeds).await;
}

async fn read(client: &Client, path: &str) -> Option<Value> {
    let answered = try_call(client, Method::GET, path, None).await.ok()?;
    (answered.status == 200).then_some(answered.body)
}

/// The DataPlane's own controller; only what becomes of the pods counts here.
async fn deploy(client: &Client, namespace: &str, template: &Value, deeds: &Mutex<Deeds>) {
    let all = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let path = format!("{all}/kong");
    let hash = typed(template).to_string();
    let mut template = template.clone();
    template["metadata"]["labels"] = json!({"app": "kong"});
    let labels = json!({"matchLabels": {"app": "kong"}});
    let stands = read(client, &path).await;
    let Some(mut deployment) = stands else {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "kong", "annotations": {HASH: hash}},
            "spec": {"selector": labels, "template": template},
        });
        let created = try_call(client, Method::POST, &all, Some(&deployment)).await;
        return note(deeds, created);
    };
    if deployment["metadata"]["annotations"][HASH] == hash.as_str() {
        return;
    }
    deployment["metadata"]["annotations"][HASH] = json!(hash);
    deployment["spec"]["template"] = template;
    let put = try_call(client, Method::PUT, &path, Some(&deployment)).await;
    note(deeds, put);
}

/// Whoever got no answer asks again.
fn note(deeds: &Mutex<Deeds>, answered: Result<Answered, kube::Error>) {
    let Ok(answered) = answered else { return };
    let mut deeds = deeds.lock();
    if answered.status < 300 {
        deeds.writes += 1;
    } else {
        deeds.refusals.push(answered.body["message"].to_string());
    }
}

/// What it makes of a pod template in which much is left out (`setDataPlaneOptionsDefaults`).
fn filled(template: &Value) -> Value {
    let mut filled = match template {
        Value::Object(_) => template.clone(),
        _ => json!({}),
    };
    if !filled["spec"]["containers"].is_array() {
        filled["spec"]["containers"] = json!([]);
    }
    if let Some(containers) = filled["spec"]["containers"].as_array_mut() {
        if containers.iter().all(|one| one["name"] != "proxy") {
            containers.push(json!({"name": "proxy"}));
        }
        for proxy in containers.iter_mut().filter(|one| one["name"] == "proxy") {
            if proxy["image"].is_null() {
                proxy["image"] = json!(IMAGE);
            }
        }
        for container in containers {
            // A struct that Go writes whether something is in it or not.
            if container["resources"].is_null() {
                container["resources"] = json!({});
            }
        }
    }
    filled["metadata"]["creationTimestamp"] = Value::Null;
    filled
}

/// As Go reads it: null and an empty struct are as good as nothing, an empty list is not.
fn typed(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), typed(value)));
            let kept = fields.filter(|(_, value)| !value.is_null() && *value != json!({}));
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(typed).collect()),
        other => other.clone(),
    }
}

/// A merge patch from one to the other: lists are replaced whole.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for (name, value) in to {
        match from.get(name) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(name.clone(), difference(before, value))),
            None => drop(patch.insert(name.clone(), value.clone())),
        }
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

//! What the tests of the webhook share.
#![allow(clippy::expect_used, reason = "a test may fail loudly")]

pub mod node;
pub mod webhook;

use serde_json::{Value, json};
use tagalong_webhook::{Injection, InjectionSettings, inject};

/// Settings as an installation has them.
pub fn settings() -> InjectionSettings {
    InjectionSettings::new(
        "ghcr.io/example/tagalong-sidecar:0.1.0",
        "https://tagalong-operator.tagalong-system.svc:8443/v1/labels",
    )
}

/// Every sort of settings that changes the shape of the result.
pub fn all_settings() -> Vec<InjectionSettings> {
    let mut all = Vec::new();
    for native in [true, false] {
        for scrape_annotations in [true, false] {
            all.push(InjectionSettings {
                native,
                scrape_annotations,
                ..settings()
            });
        }
    }
    all.push(InjectionSettings {
        log: Some("debug".to_owned()),
        pull_secrets: vec!["pull".to_owned()],
        pull_secrets_always: true,
        ..settings()
    });
    all
}

/// The objects in `tests/corpus`, by file name, and each DataPlane again as the GatewayConfiguration from which Kong's operators
/// would make it.
pub fn corpus() -> Vec<(String, Value)> {
    let mut all = files();
    let above: Vec<_> = all
        .iter()
        .filter(|(_, object)| object["kind"] == "DataPlane")
        .map(|(name, object)| (format!("{name}, one object up"), above(object)))
        .collect();
    all.extend(above);
    all
}

/// The GatewayConfiguration from which Kong's operators would make the DataPlane.
pub fn above(dataplane: &Value) -> Value {
    let mut object = dataplane.clone();
    object["apiVersion"] = json!("gateway-operator.konghq.com/v2beta1");
    object["kind"] = json!("GatewayConfiguration");
    object["spec"] = json!({
        "dataPlaneOptions": object["spec"].take(),
        "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "kong"}],
    });
    object
}

/// The objects in `tests/corpus`, by file name.
pub fn files() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut objects: Vec<(String, Value)> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| {
            let path = entry.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("readable");
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let object =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, object)
        })
        .collect();
    objects.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(objects.len() >= 11, "the corpus is not empty");
    objects
}

/// One object of the corpus.
pub fn object(name: &str) -> Value {
    let found = corpus().into_iter().find(|(file, _)| file == name);
    found.unwrap_or_else(|| panic!("no {name} in the corpus")).1
}

/// The same object with and without the label.
pub fn unmarked(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(labels)) = object.pointer_mut("/metadata/labels") {
        labels.remove("tagalong.dev/inject");
    }
    object
}

/// The object after the patch.
pub fn applied(object: &Value, outcome: &Injection) -> Value {
    let mut object = object.clone();
    json_patch::patch(&mut object, &outcome.patch)
        .expect("the patch fits the object it was made for");
    object
}

/// [`inject`], for an object that is being created.
pub fn injected(object: &Value, settings: &InjectionSettings) -> Injection {
    inject(object, None, settings)
}

const TEMPLATES: [&str; 3] = [
    "/spec/dataPlaneOptions/deployment/podTemplateSpec",
    "/spec/deployment/podTemplateSpec",
    "/spec/template",
];

/// The pod template of any kind; null where there is none.
pub fn template(object: &Value) -> &Value {
    object.pointer(place(object)).unwrap_or(&Value::Null)
}

/// Where an object of its kind has it, whatever else stands where other kinds do.
fn place(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("GatewayConfiguration") => TEMPLATES[0],
        Some("DataPlane") => TEMPLATES[1],
        _ => TEMPLATES[2],
    }
}

/// The same, to be changed.
pub fn template_mut(object: &mut Value) -> &mut Value {
    let path = place(object);
    object.pointer_mut(path).expect("a pod template")
}

/// The sidecar in the object.
pub fn sidecar(object: &Value) -> Option<&Value> {
    let spec = &template(object)["spec"];
    ["initContainers", "containers"]
        .iter()
        .filter_map(|list| spec[*list].as_array())
        .flatten()
        .find(|container| container["name"] == "tagalong")
}

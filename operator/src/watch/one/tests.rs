use super::*;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use tagalong_crds::KongPlugin;
use tagalong_runtime::Readiness;

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Sink<KongPlugin> for Told {
    fn apply(&self, object: KongPlugin) {
        assert_eq!(object.metadata.managed_fields, None);
        self.0.lock().push(format!(
            "apply {}",
            object.metadata.name.unwrap_or_default()
        ));
    }

    fn delete(&self, namespace: Option<&str>, name: &str) {
        self.0
            .lock()
            .push(format!("delete {}/{name}", namespace.unwrap_or_default()));
    }

    fn reset(&self, objects: Vec<KongPlugin>) {
        let names: Vec<String> = objects
            .into_iter()
            .filter_map(|object| object.metadata.name)
            .collect();
        self.0.lock().push(format!("reset {}", names.join(",")));
    }
}

fn read(name: &str, plugin: &Value) -> Read<KongPlugin> {
    let object = json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "plugin": plugin,
        "metadata": {"namespace": "default", "name": name, "managedFields": [{"manager": "m"}]},
    });
    let guard: DeserializeGuard<KongPlugin> =
        serde_json::from_value(object).expect("metadata can be read");
    guard.0.map_err(Box::new)
}

#[tokio::test]
async fn a_malformed_object_costs_itself_only_and_a_failure_is_no_end() {
    let config = kube::Config::new("http://127.0.0.1:1".parse().expect("a URL"));
    let (told, metrics) = (Told::default(), metrics::Watches::default());
    let context = Context {
        client: kube::Client::try_from(config).expect("a client"),
        sink: told.clone(),
        metrics: metrics.clone(),
        selectors: std::collections::BTreeMap::new(),
    };
    let (good, bad) = (json!("prometheus"), json!(["not", "a", "name"]));
    let events: Vec<watcher::Result<Event<Read<KongPlugin>>>> = vec![
        Ok(Event::Init),
        Ok(Event::InitApply(read("a", &good))),
        Ok(Event::InitApply(read("b", &bad))),
        Ok(Event::InitDone),
        Ok(Event::Apply(read("a", &bad))),
        // The version was too old, or the connection broke: all is listed anew, from the beginning.
        Err(watcher::Error::NoResourceVersion),
        Ok(Event::Init),
        Ok(Event::InitApply(read("b", &good))),
        Err(watcher::Error::NoResourceVersion),
        Ok(Event::Init),
        Ok(Event::InitApply(read("c", &good))),
        Ok(Event::InitDone),
        Ok(Event::Delete(read("c", &bad))),
    ];
    let readiness = Readiness::default();
    let ready = readiness.handle("KongPlugin");
    let events: Events<KongPlugin> = futures::stream::iter(events).boxed();
    feed(events, "KongPlugin", context, Some(ready)).await;
    assert_eq!(
        *told.0.lock(),
        ["reset a", "delete default/a", "reset c", "delete default/c"]
    );
    assert!(readiness.missing().is_empty());
    let label = metrics::KindLabel { kind: "KongPlugin" };
    assert_eq!(metrics.malformed.get_or_create(&label).get(), 2);
    assert_eq!(metrics.errors.get_or_create(&label).get(), 2);
}

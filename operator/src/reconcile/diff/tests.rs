use super::*;
use crate::world::observed::ObservedDataPlane;
use kube::core::ObjectMeta;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tagalong_crds::DataPlaneMetricsExtension;

const PLUGIN: &str = "x-metrics-prometheus";

fn key(name: &str) -> Key {
    Key::new("default", name)
}

/// Does what the API server would do.
fn play(observed: &mut Observed, stages: Vec<Vec<Action>>) {
    for action in stages.into_iter().flatten() {
        match action {
            Action::Plugin {
                key,
                config,
                extension,
                ..
            } => {
                let plugin = ObservedPlugin {
                    version: "2".into(),
                    plugin: "prometheus".into(),
                    config,
                    extension: Some(extension.to_string()),
                    disabled: false,
                };
                observed.plugins.insert(key, plugin);
            }
            Action::DeletePlugin { key, .. } => {
                observed.plugins.remove(&key);
            }
            Action::Metadata { kind, key, patch } => merge(observed, kind, &key, &patch),
            Action::ConfigMap {
                namespace, bundle, ..
            } => {
                let config_map = CaConfigMap {
                    version: "2".into(),
                    bundle: Some(bundle),
                    ours: true,
                };
                observed.ca.insert(namespace, config_map);
            }
            Action::DeleteConfigMap { namespace, .. } => {
                observed.ca.remove(&namespace);
            }
            Action::Policy { .. } | Action::DeletePolicy { .. } => {
                panic!("these tests have no policies")
            }
        }
    }
}

fn merge(observed: &mut Observed, kind: Patched, key: &Key, patch: &Value) {
    let text = |path: &str| {
        patch
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match kind {
        Patched::Service => {
            let service = observed
                .services
                .get_mut(key)
                .expect("only what exists is patched");
            service.plugins = text("/metadata/annotations/konghq.com~1plugins");
            service.added = text("/metadata/annotations/tagalong.dev~1added-plugin");
        }
        Patched::DataPlane => {
            let dataplane = observed
                .dataplanes
                .get_mut(key)
                .expect("only what exists is patched");
            dataplane.label = text("/metadata/labels/tagalong.dev~1inject");
            dataplane.added =
                text("/metadata/annotations/tagalong.dev~1added-inject-label").is_some();
        }
        Patched::Configuration => unreachable!("there is none here"),
        Patched::Extension => {
            let extension = observed
                .extensions
                .get_mut(key)
                .expect("only what exists is patched");
            let finalizers = patch["metadata"]["finalizers"].clone();
            extension.metadata.finalizers =
                serde_json::from_value(finalizers).expect("a list or null");
        }
    }
}

/// Plays until nothing is due. Panics if that takes long.
fn settle(desired: &Desired, observed: &mut Observed) {
    for _ in 0..4 {
        let stages = due(desired, observed);
        if stages.is_empty() {
            return;
        }
        play(observed, stages);
    }
    panic!("never settles: {:?}", due(desired, observed));
}

fn observed(services: &[(&str, Option<&str>)]) -> Observed {
    let service = |plugins: Option<&str>| ObservedService {
        version: "1".into(),
        plugins: plugins.map(str::to_owned),
        added: None,
    };
    Observed {
        services: services
            .iter()
            .map(|(name, plugins)| (key(name), service(*plugins)))
            .collect(),
        extensions: [(key("x"), DataPlaneMetricsExtension::default())].into(),
        dataplanes: [(key("kong"), ObservedDataPlane::default())].into(),
        ..Observed::default()
    }
}

fn desired(services: &[&str]) -> Desired {
    Desired {
        plugins: [(key(PLUGIN), (Map::new(), key("x")))].into(),
        services: services
            .iter()
            .map(|name| (key(name), PLUGIN.to_owned()))
            .collect(),
        dataplanes: [key("kong")].into(),
        namespaces: ["default".to_owned()].into(),
        finalized: [key("x")].into(),
        bundle: Some("PEM".into()),
        ..Desired::default()
    }
}

#[test]
fn attached_and_left_as_found() {
    let found = observed(&[("echo", None), ("other", Some("a , b"))]);
    let mut now = found.clone();
    settle(&desired(&["echo", "other"]), &mut now);
    assert_eq!(now.services[&key("echo")].plugins.as_deref(), Some(PLUGIN));
    assert_eq!(
        now.services[&key("other")].plugins.as_deref(),
        Some("a , b,x-metrics-prometheus")
    );
    assert_eq!(
        now.dataplanes[&key("kong")].label.as_deref(),
        Some("enabled")
    );
    assert!(now.plugins.contains_key(&key(PLUGIN)) && now.ca.contains_key("default"));
    assert_eq!(
        now.extensions[&key("x")].metadata.finalizers.as_deref(),
        Some(&[FINALIZER.to_owned()][..])
    );

    settle(
        &Desired {
            bundle: Some("PEM".into()),
            ..Desired::default()
        },
        &mut now,
    );
    assert_eq!(now.services, found.services);
    assert_eq!(now.dataplanes, found.dataplanes);
    assert!(now.plugins.is_empty() && now.ca.is_empty());
    assert_eq!(now.extensions[&key("x")].metadata.finalizers, None);
}

#[test]
fn the_plugin_comes_first_and_goes_last() {
    let mut now = observed(&[("echo", None)]);
    let stages = due(&desired(&["echo"]), &now);
    let place = |found: &dyn Fn(&Action) -> bool| {
        stages
            .iter()
            .position(|stage| stage.iter().any(found))
            .expect("is due")
    };
    let plugin = place(&|action| matches!(action, Action::Plugin { .. }));
    let service = place(&|action| {
        matches!(
            action,
            Action::Metadata {
                kind: Patched::Service,
                ..
            }
        )
    });
    assert!(plugin < service);
    play(&mut now, stages);
    let deletes = |stages: &[Vec<Action>]| {
        stages
            .iter()
            .flatten()
            .any(|action| matches!(action, Action::DeletePlugin { .. }))
    };
    let stages = due(&Desired::default(), &now);
    assert!(!deletes(&stages), "a Service still names it");
    play(&mut now, stages);
    assert!(deletes(&due(&Desired::default(), &now)));
}

#[test]
fn an_extension_is_let_go_once_nothing_of_it_is_left() {
    let mut now = observed(&[("echo", None)]);
    settle(&desired(&["echo"]), &mut now);
    let lets_go = |now: &Observed| {
        due(&Desired::default(), now)
            .iter()
            .flatten()
            .any(|action| {
                matches!(
                    action,
                    Action::Metadata {
                        kind: Patched::Extension,
                        ..
                    }
                )
            })
    };
    assert!(!lets_go(&now));
    now.services.clear();
    assert!(!lets_go(&now), "the plugin is still there");
    now.plugins.clear();
    assert!(lets_go(&now));
}

#[test]
fn what_a_person_wrote_is_theirs() {
    let mut now = observed(&[("echo", Some("x-metrics-prometheus"))]);
    now.dataplanes.insert(
        key("kong"),
        ObservedDataPlane {
            label: Some("disabled".into()),
            ..ObservedDataPlane::default()
        },
    );
    now.ca.insert("default".into(), CaConfigMap::default());
    let found = now.clone();
    settle(&desired(&["echo"]), &mut now);
    settle(&Desired::default(), &mut now);
    assert_eq!(now.services, found.services);
    assert_eq!(now.dataplanes, found.dataplanes);
    assert_eq!(now.ca, found.ca);
}

#[test]
fn a_dataplane_on_its_way_out_is_left_alone() {
    let mut now = observed(&[]);
    settle(&desired(&[]), &mut now);
    let dataplane = now.dataplanes.get_mut(&key("kong"));
    dataplane.expect("it is there").deleting = true;
    let found = now.dataplanes.clone();
    for desired in [desired(&[]), Desired::default()] {
        settle(&desired, &mut now);
        assert_eq!(now.dataplanes, found);
    }
}

#[test]
fn what_others_undo_is_done_again() {
    let mut now = observed(&[("echo", Some("a"))]);
    let desired = desired(&["echo"]);
    settle(&desired, &mut now);
    if let Some(service) = now.services.get_mut(&key("echo")) {
        service.plugins = Some("b".into());
    }
    if let Some(plugin) = now.plugins.get_mut(&key(PLUGIN)) {
        plugin.disabled = true;
    }
    assert_eq!(due(&desired, &now).iter().flatten().count(), 2);
    settle(&desired, &mut now);
    assert_eq!(
        now.services[&key("echo")].plugins.as_deref(),
        Some("b,x-metrics-prometheus")
    );
}

#[test]
fn other_finalizers_stay() {
    let mut now = observed(&[]);
    let theirs = vec!["example.com/theirs".to_owned()];
    let metadata = ObjectMeta {
        finalizers: Some(theirs.clone()),
        ..ObjectMeta::default()
    };
    let extension = DataPlaneMetricsExtension {
        metadata,
        ..DataPlaneMetricsExtension::default()
    };
    now.extensions.insert(key("x"), extension);
    settle(&desired(&[]), &mut now);
    assert_eq!(
        now.extensions[&key("x")]
            .metadata
            .finalizers
            .as_ref()
            .map(Vec::len),
        Some(2)
    );
    settle(&Desired::default(), &mut now);
    assert_eq!(now.extensions[&key("x")].metadata.finalizers, Some(theirs));
}

proptest! {
    /// Whatever stands there, whatever is desired in turn: it settles, and in the end all is as found.
    #[test]
    fn settles_and_restores(
        values in prop::collection::vec(prop::option::of("[ab, :x-]{0,12}"), 1..5),
        turns in prop::collection::vec(prop::collection::vec(0u8..3, 5), 1..5),
    ) {
        let names: Vec<String> = (0..values.len()).map(|i| format!("s{i}")).collect();
        let services: Vec<_> =
            names.iter().map(String::as_str).zip(values.iter().map(Option::as_deref)).collect();
        let found = observed(&services);
        let mut now = found.clone();
        for turn in turns {
            let chosen = names.iter().zip(turn).filter(|(_, plugin)| *plugin > 0);
            let chosen = chosen.map(|(name, plugin)| (key(name), format!("p{plugin}-metrics-prometheus")));
            let services: BTreeMap<_, _> = chosen.collect();
            let plugins = services.values().map(|plugin| (key(plugin), (Map::new(), key("x"))));
            let desired = Desired { plugins: plugins.collect(), services: services.clone(), ..desired(&[]) };
            settle(&desired, &mut now);
            for (service, plugin) in &services {
                let value = now.services[service].plugins.clone().unwrap_or_default();
                prop_assert_eq!(annotation::items(&value).filter(|item| item == plugin).count(), 1);
            }
        }
        settle(&Desired::default(), &mut now);
        prop_assert_eq!(now.services, found.services);
    }
}

//! A cluster in small: the webhook's own function, and what Kong's operator does with a GatewayConfiguration and a DataPlane
//! (`provisionDataPlane` in its `controller/gateway/controller.go`), played against the reconciler's decisions.

use super::*;
use crate::reconcile::desired::{Desired, desired};
use crate::reconcile::diff;
use crate::world::observed::Observe as _;
use serde_json::Value;
use tagalong_crds as crds;
use tagalong_index::{Object, Settings};
use tagalong_webhook::{InjectionSettings, inject};

mod held;

const GRACE: Duration = Duration::from_secs(120);
const ABOVE: &str = "/spec/dataPlaneOptions/deployment/podTemplateSpec";
const BELOW: &str = "/spec/deployment/podTemplateSpec";

fn parse<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).expect("an object")
}

fn settings(image: &str, started: u64) -> InjectionSettings {
    InjectionSettings {
        started,
        ..InjectionSettings::new(image, "https://o.t.svc:8443/v1/labels")
    }
}

struct Town {
    configuration: Value,
    dataplane: Value,
    webhook: Option<InjectionSettings>,
    sources: Sources,
    now: Instant,
    version: u32,
    /// How often the DataPlane's pods were replaced.
    rollouts: usize,
    /// What a policy of somebody else's forbids.
    forbidden: bool,
    /// Whether all webhooks are known to be of this version; `None` where sidecars are not to come from above.
    open: Option<bool>,
    /// Whether the operator lays lists of its own over what is above.
    overlaid: bool,
    /// How often the configuration was brought through the webhook.
    touches: usize,
    fallen_back: BTreeMap<Key, Option<Key>>,
}

impl Town {
    fn new(configuration: Value, dataplane: Value) -> Self {
        Self {
            configuration,
            dataplane,
            webhook: Some(settings("sidecar:1", 5)),
            sources: Sources::new(GRACE),
            now: Instant::now(),
            version: 1,
            rollouts: 0,
            forbidden: false,
            open: Some(true),
            overlaid: false,
            touches: 0,
            fallen_back: BTreeMap::new(),
        }
    }

    /// As the API server does: the webhook is asked about what is or was labelled. `None`: it is refused.
    fn admitted(&self, old: &Value, new: Value) -> Option<Value> {
        let labelled = |object: &Value| object["metadata"]["labels"][INJECT_LABEL] == "enabled";
        if !labelled(old) && !labelled(&new) {
            return Some(new);
        }
        match &self.webhook {
            Some(settings) => {
                let mut new = new;
                let patch = inject(&new, Some(old), settings).patch;
                json_patch::patch(&mut new, &patch).expect("it fits");
                Some(new)
            }
            // Failure policies `Fail` and `Ignore`.
            None => (new["kind"] != "GatewayConfiguration").then_some(new),
        }
    }

    /// One pass of the reconciler; how many objects it changed.
    fn pass(&mut self) -> usize {
        let (mut index, mut observed) = (Index::new(Settings::default()), Observed::default());
        let configuration: crds::GatewayConfiguration = parse(&self.configuration);
        configuration.seen(&mut observed);
        index.apply(Object::GatewayConfiguration(configuration));
        let dataplane: crds::DataPlane = parse(&self.dataplane);
        dataplane.seen(&mut observed);
        index.apply(Object::DataPlane(dataplane));
        index.apply(Object::ControlPlane(parse(&json!({
            "metadata": {"namespace": "default", "name": "cp"},
            "spec": {"dataplane": "kong", "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]},
        }))));
        index.apply(Object::Extension(parse(
            &json!({"metadata": {"namespace": "default", "name": "x"}}),
        )));
        let place = |open| self.sources.place(&index, &observed, open, self.now);
        let placement = self.open.map(place).unwrap_or_default();
        let touch = placement.touch.clone();
        self.touches += touch.len();
        self.fallen_back.clone_from(&placement.fallen_back);
        let (_, desired) = desired(&index, &observed, None, &[], placement);
        self.carry_out(&desired, &observed, touch)
    }

    fn uninstall(&mut self) -> usize {
        let mut observed = Observed::default();
        parse::<crds::GatewayConfiguration>(&self.configuration).seen(&mut observed);
        parse::<crds::DataPlane>(&self.dataplane).seen(&mut observed);
        self.carry_out(&Desired::default(), &observed, Vec::new())
    }

    fn carry_out(&mut self, desired: &Desired, observed: &Observed, touch: Vec<Action>) -> usize {
        let stages = diff::due(desired, observed).into_iter().flatten();
        let mut changes = 0;
        for action in stages.chain(touch) {
            let Action::Metadata {
                kind, mut patch, ..
            } = action
            else {
                continue;
            };
            patch["metadata"]
                .as_object_mut()
                .expect("metadata")
                .remove("resourceVersion");
            let old = match kind {
                Patched::Configuration if self.forbidden => continue,
                Patched::Configuration => self.configuration.clone(),
                Patched::DataPlane => self.dataplane.clone(),
                _ => continue,
            };
            let mut new = old.clone();
            json_patch::merge(&mut new, &patch);
            let Some(new) = self.admitted(&old, new) else {
                continue;
            };
            changes += usize::from(new != old);
            self.store(new);
        }
        changes
    }

    fn store(&mut self, new: Value) {
        self.version += 1;
        if new["kind"] == "DataPlane" {
            self.rollouts += usize::from(new.pointer(BELOW) != self.dataplane.pointer(BELOW));
            self.dataplane = new;
        } else {
            self.configuration = new;
        }
    }

    /// Whether the configuration has all that the webhook puts in.
    fn is_whole_above(&self) -> bool {
        let has = |list: &str| {
            let list = self.configuration.pointer(&format!("{ABOVE}/spec/{list}"));
            let mut list = list.and_then(Value::as_array).into_iter().flatten();
            list.any(|one| one["name"] == "tagalong")
        };
        has("initContainers") && has("volumes")
    }

    /// Kong's operator compares, and patches what differs.
    fn kong(&mut self) {
        let mut template = self
            .configuration
            .pointer(ABOVE)
            .cloned()
            .unwrap_or(json!({}));
        if self.overlaid {
            json_patch::merge(&mut template, &json!({"spec": {"initContainers": null}}));
        }
        // As Go reads and writes it.
        let mut filled =
            json!({"metadata": {"creationTimestamp": null}, "spec": {"containers": []}});
        json_patch::merge(&mut filled, &template);
        filled["metadata"]["creationTimestamp"] = Value::Null;
        let containers = filled["spec"]["containers"].as_array_mut().expect("a list");
        if containers.iter().all(|one| one["name"] != "proxy") {
            containers.push(json!({"name": "proxy"}));
        }
        for container in containers.iter_mut().filter(|one| one["name"] == "proxy") {
            container["image"] = json!("kong:3.9");
        }
        let old = self.dataplane.clone();
        if old.pointer(BELOW) != Some(&filled) {
            let mut new = old.clone();
            *new.pointer_mut(BELOW).expect("a template") = filled;
            if let Some(new) = self.admitted(&old, new) {
                self.store(new);
            }
        }
    }

    fn wait(&mut self, wait: Duration) {
        self.now += wait;
    }

    fn has_sidecar(&self) -> bool {
        let list = self
            .dataplane
            .pointer(&format!("{BELOW}/spec/initContainers"));
        let mut list = list.and_then(Value::as_array).into_iter().flatten();
        list.any(|one| one["name"] == "tagalong")
    }

    fn label(&self) -> &Value {
        &self.dataplane["metadata"]["labels"][INJECT_LABEL]
    }

    /// Two quiet hours, the webhook away for one of them: nothing is written.
    fn is_quiet(&mut self) {
        let (configuration, dataplane) = (self.configuration.clone(), self.dataplane.clone());
        for away in [false, true] {
            let webhook = if away { self.webhook.take() } else { None };
            for _ in 0..60 {
                self.wait(Duration::from_secs(60));
                self.kong();
                assert_eq!(self.pass(), 0);
            }
            self.webhook = self.webhook.take().or(webhook);
        }
        assert_eq!(self.configuration, configuration);
        assert_eq!(self.dataplane, dataplane);
    }
}

use tagalong_wire::contract::INJECT_LABEL;

fn configuration(options: &Value) -> Value {
    json!({
        "apiVersion": "gateway-operator.konghq.com/v2beta1", "kind": "GatewayConfiguration",
        "metadata": {"namespace": "default", "name": "kong"},
        "spec": {"dataPlaneOptions": options, "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]},
    })
}

fn configurations() -> [Value; 3] {
    let mut none = configuration(&Value::Null);
    none["spec"]
        .as_object_mut()
        .expect("spec")
        .remove("dataPlaneOptions");
    [
        none,
        configuration(&json!({"deployment": {"replicas": 2}})),
        configuration(&json!({"deployment": {"podTemplateSpec": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "proxy", "env": [{"name": "KONG_LOG_LEVEL", "value": "warn"}]}, {"name": "logs"}]},
        }}})),
    ]
}

fn dataplane() -> Value {
    json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "DataPlane",
        "metadata": {"namespace": "default", "name": "kong", "labels": {}, "annotations": {},
            "ownerReferences": [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "kong", "uid": "g"}]},
        "spec": {"deployment": {"podTemplateSpec": {"spec": {"containers": [{"name": "proxy", "image": "kong:3.9"}]}}}},
        "status": {"selector": "s"},
    })
}

/// A DataPlane as tagalong had it before there were sidecars above.
fn injected_below(configuration: Value) -> Town {
    let mut town = Town::new(configuration, dataplane());
    town.kong();
    let mut labelled = town.dataplane.clone();
    labelled["metadata"]["labels"][INJECT_LABEL] = json!("enabled");
    labelled["metadata"]["annotations"]["tagalong.dev/added-inject-label"] = json!("true");
    let new = town.admitted(&town.dataplane, labelled);
    town.store(new.expect("admitted"));
    town.rollouts = 0;
    town
}

#[tokio::test(start_paused = true)]
async fn a_new_gateway_gets_it_from_above_in_one_rollout_and_nobody_needs_the_webhook_then() {
    for configuration in configurations() {
        let found = configuration.clone();
        let mut town = Town::new(configuration, dataplane());
        town.kong();
        town.rollouts = 0;
        town.pass();
        assert_eq!(
            town.label(),
            &Value::Null,
            "it waits for what comes from above"
        );
        town.kong();
        town.pass();
        assert_eq!((town.rollouts, town.has_sidecar()), (1, true));
        assert_eq!(town.label(), &Value::Null);
        town.is_quiet();
        assert_eq!((town.rollouts, town.touches), (1, 1));
        assert!(town.fallen_back.is_empty());

        // And it goes again without a trace.
        while town.uninstall() > 0 {}
        assert_eq!(town.configuration["spec"], found["spec"]);
        town.kong();
        assert_eq!((town.rollouts, town.has_sidecar()), (2, false));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_had_it_below_moves_without_a_rollout() {
    for configuration in configurations() {
        let mut town = injected_below(configuration);
        // Another of the same version answers: what it puts in has another date.
        town.webhook = Some(settings("sidecar:1", 9));
        town.pass();
        assert_eq!(town.label(), "enabled", "not before it has come down");
        town.kong();
        town.wait(GRACE / 8);
        town.pass();
        assert_eq!(town.label(), "enabled", "not before it has come down");
        town.wait(GRACE / 4);
        town.pass();
        assert_eq!(town.label(), &Value::Null);
        town.is_quiet();
        assert_eq!(town.rollouts, 0);
        // Nothing of it is left.
        while town.uninstall() > 0 {}
        assert_eq!(town.dataplane["metadata"]["annotations"], json!({}));
    }
}

/// The new sidecar costs one rollout, the move none, whether Kong's operator looks before or after it.
#[tokio::test(start_paused = true)]
async fn an_update_of_tagalong_costs_one_rollout_whatever_comes_first() {
    for configuration in configurations() {
        for early in [false, true] {
            let mut town = injected_below(configuration.clone());
            town.webhook = Some(settings("sidecar:2", 9));
            if early {
                town.kong();
            }
            for _ in 0..4 {
                town.pass();
                town.wait(GRACE / 4);
                town.kong();
            }
            assert_eq!(town.label(), &Value::Null);
            assert_eq!(town.rollouts, 1, "looked before: {early}");
            town.is_quiet();
            assert_eq!(town.rollouts, 1);
        }
    }
}

/// The next update comes down from above: the operator brings each configuration through the webhook once.
#[tokio::test(start_paused = true)]
async fn a_new_sidecar_comes_from_above() {
    let mut town = injected_below(configurations()[2].clone());
    for _ in 0..3 {
        town.pass();
        town.wait(GRACE / 2);
        town.kong();
    }
    town.webhook = Some(settings("sidecar:3", 20));
    town.sources = Sources::new(GRACE);
    town.pass();
    town.kong();
    assert_eq!(town.rollouts, 1);
    town.is_quiet();
    assert_eq!(town.rollouts, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_from_above_is_had_below_and_moves_later() {
    let mut town = Town::new(configurations()[0].clone(), dataplane());
    town.forbidden = true;
    town.kong();
    town.rollouts = 0;
    town.pass();
    assert_eq!(town.label(), &Value::Null);
    town.wait(GRACE);
    town.pass();
    assert_eq!(town.label(), "enabled");
    let lacking = town.fallen_back.get(&Key::new("default", "kong"));
    assert_eq!(lacking, Some(&Some(Key::new("default", "kong"))));
    town.kong();
    assert_eq!((town.rollouts, town.has_sidecar()), (1, true));
    town.forbidden = false;
    for _ in 0..4 {
        town.pass();
        town.kong();
        town.wait(GRACE / 4);
    }
    assert_eq!(town.label(), &Value::Null);
    assert_eq!(town.rollouts, 1, "moved without another rollout");
    town.is_quiet();
}

/// Lists that something lays over those of the configuration: the sidecar does not come down.
#[tokio::test(start_paused = true)]
async fn what_does_not_come_down_is_had_below_for_good() {
    let mut town = Town::new(configurations()[2].clone(), dataplane());
    town.overlaid = true;
    town.kong();
    town.pass();
    town.kong();
    town.pass();
    assert!(!town.has_sidecar());
    town.wait(GRACE);
    town.pass();
    assert_eq!(town.label(), "enabled");
    assert_eq!(town.fallen_back.values().next(), Some(&None));
    town.kong();
    assert!(town.has_sidecar());
    town.sources = Sources::new(GRACE);
    let rollouts = town.rollouts;
    for _ in 0..20 {
        town.wait(GRACE / 2);
        town.pass();
        town.kong();
        assert_eq!(town.label(), "enabled");
    }
    assert_eq!(town.rollouts, rollouts);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_decides_below_stays() {
    for change in ["label", "override"] {
        let mut town = injected_below(configurations()[1].clone());
        let metadata = &mut town.dataplane["metadata"];
        if change == "label" {
            metadata["annotations"] = json!({});
        } else {
            metadata["annotations"]["tagalong.dev/listen-port"] = json!("9999");
        }
        for _ in 0..6 {
            town.pass();
            town.kong();
            town.wait(GRACE);
        }
        assert_eq!(town.label(), "enabled", "{change}");
        assert!(town.has_sidecar());
    }
}

/// Whoever labels a DataPlane is not told that it is labelled.
#[tokio::test(start_paused = true)]
async fn what_a_person_labels_is_no_lack() {
    let mut town = injected_below(configurations()[1].clone());
    town.dataplane["metadata"]["annotations"] = json!({});
    town.forbidden = true;
    for _ in 0..4 {
        town.pass();
        town.wait(GRACE);
    }
    assert!(town.fallen_back.is_empty());
}

/// Somebody replaces all labels: what was taken over stays.
#[tokio::test(start_paused = true)]
async fn a_configuration_that_lost_its_label_gets_it_again_and_keeps_its_bytes() {
    let mut town = injected_below(configurations()[1].clone());
    for _ in 0..4 {
        town.pass();
        town.kong();
        town.wait(GRACE / 4);
    }
    assert_eq!(town.label(), &Value::Null);
    let before = town.configuration.clone();
    town.configuration["metadata"]["labels"] = json!({});
    town.pass();
    assert_eq!(town.configuration, before);
}

/// Somebody replaces the configuration as a whole, label and all.
#[tokio::test(start_paused = true)]
async fn a_configuration_that_was_replaced_gets_it_again() {
    let mut town = Town::new(configurations()[2].clone(), dataplane());
    town.kong();
    town.pass();
    town.kong();
    town.configuration = configurations()[2].clone();
    town.pass();
    town.kong();
    assert!(town.has_sidecar());
    town.is_quiet();
}

//! Whoever writes too late: what another one wrote in between stays, and nothing has failed.

use crate::support;

use kube::api::{Patch, PatchParams};
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{
    Definition, KONG, KONG_ALPHA, PLUGINS, Result, apply, cluster, extension, gateway, get,
    operator_config, plugins, service,
};
use tagalong_cluster::Namespace;
use tagalong_crds as crds;
use tagalong_index::Settings;
use tagalong_operator::lease::Writes;
use tagalong_operator::metrics;
use tagalong_operator::reconcile::desired::{Desired, desired};
use tagalong_operator::reconcile::diff::due;
use tagalong_operator::reconcile::sources::Placement;
use tagalong_operator::reconcile::write::{Writer, Written};
use tagalong_operator::watch::Sink;
use tagalong_operator::world::{CaConfigMaps, State, World};

const PLUGIN: &str = "x-metrics-prometheus";
const READ: [(&str, &str, &str); 1] = [(KONG, "ControlPlane", "cp")];
const PATCHED: [(&str, &str, &str); 3] = [
    ("v1", "Service", "a"),
    (KONG, "DataPlane", "dp"),
    (KONG_ALPHA, "DataPlaneMetricsExtension", "x"),
];
const MADE: [(&str, &str, &str); 2] = [
    (PLUGINS, "KongPlugin", PLUGIN),
    ("v1", "ConfigMap", "tagalong-ca"),
];

/// A writer whose view of the world is as old as the test likes.
struct Late {
    client: Client,
    namespace: String,
    writer: Writer,
}

impl Late {
    async fn look_at(namespace: &Namespace, operator: Config) -> Result<Self> {
        let (client, name) = (namespace.client(), namespace.name().to_owned());
        let world = World::new(Settings::default(), metrics::PushMetrics::default());
        for (version, kind, object) in PATCHED.into_iter().chain(MADE).chain(READ) {
            let Ok(object) = get(&client, &name, version, kind, object).await else {
                continue;
            };
            match kind {
                "Service" => world.apply(parse::<crds::Service>(object)?),
                "DataPlane" => world.apply(parse::<crds::DataPlane>(object)?),
                "ControlPlane" => world.apply(parse::<crds::ControlPlane>(object)?),
                "KongPlugin" => world.apply(parse::<crds::KongPlugin>(object)?),
                "ConfigMap" => CaConfigMaps(world.clone()).apply(parse(object)?),
                _ => world.apply(parse::<crds::DataPlaneMetricsExtension>(object)?),
            }
        }
        Ok(Self {
            client,
            namespace: name,
            writer: Writer {
                client: Client::try_from(operator)?,
                writes: Writes::always(),
                world,
                metrics: metrics::Reconcile::default(),
                admitted: Arc::default(),
            },
        })
    }

    /// What should be there by what it saw.
    fn desired(&self) -> Desired {
        let look = |state: &State| {
            let placement = Placement::default();
            desired(&state.index, &state.observed, Some("PEM"), &[], placement).1
        };
        self.writer.world.with(look)
    }

    async fn write(&self, desired: &Desired) -> Written {
        let look = |state: &State| due(desired, &state.observed);
        self.writer.carry_out(self.writer.world.with(look)).await
    }

    /// What there is, whatever it saw.
    async fn all(&self) -> Result<Vec<Option<Value>>> {
        let mut all = Vec::new();
        for (version, kind, name) in PATCHED.into_iter().chain(MADE) {
            let api = support::api(&self.client, &self.namespace, version, kind);
            let object = api.get_opt(name).await?;
            all.push(object.map(serde_json::to_value).transpose()?);
        }
        Ok(all)
    }

    /// Somebody else writes.
    async fn another(
        &self,
        version: &str,
        kind: &str,
        name: &str,
        mut metadata: Value,
        (key, rest): (&str, Value),
    ) -> Result {
        metadata["namespace"] = json!(self.namespace);
        metadata["name"] = json!(name);
        let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, key: rest});
        apply(&self.client, object).await?;
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(object: Value) -> Result<T> {
    Ok(serde_json::from_value(object)?)
}

#[tokio::test]
async fn what_another_one_wrote_in_between_stays() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let namespace = gateway(cluster, "conflicts", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", Some("mine")).await?;
    extension(&client, name, "x", &["a"]).await?;
    let late = async || Late::look_at(&namespace, operator_config(cluster).await?).await;

    // Before anything of it is there. Nobody makes the plugin.
    let first = late().await?;
    let desired = first.desired();
    let spec = async |version: &str, kind: &str, object: &str| -> Result<Value> {
        Ok(get(&client, name, version, kind, object).await?["spec"].clone())
    };
    let dataplane = spec(KONG, "DataPlane", "dp").await?;
    let selects = spec(KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    for (version, kind, object, metadata, rest) in [
        (
            "v1",
            "Service",
            "a",
            json!({"annotations": {"konghq.com/plugins": "theirs"}}),
            ("spec", json!({"ports": [{"port": 80}]})),
        ),
        (
            KONG,
            "DataPlane",
            "dp",
            json!({"labels": {"tagalong.dev/inject": "disabled"}}),
            ("spec", dataplane.clone()),
        ),
        (
            KONG_ALPHA,
            "DataPlaneMetricsExtension",
            "x",
            json!({"finalizers": ["example.com/theirs"]}),
            ("spec", selects),
        ),
        (
            "v1",
            "ConfigMap",
            "tagalong-ca",
            json!({}),
            ("data", json!({"ca.crt": "theirs"})),
        ),
    ] {
        first.another(version, kind, object, metadata, rest).await?;
    }
    let before = first.all().await?;
    came_to(&first.write(&desired).await, 1, 4);
    let mut after = first.all().await?;
    assert!(after.remove(3).is_some(), "the plugin was nobody's");
    assert_eq!(after, [&before[..3], &before[4..]].concat());

    // Somebody makes the plugin in between: no Service is to name that.
    support::delete(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    let second = late().await?;
    let cors = ("plugin", json!("cors"));
    second
        .another(PLUGINS, "KongPlugin", PLUGIN, json!({}), cors)
        .await?;
    came_to(&second.write(&desired).await, 1, 1);
    let plugin = get(&client, name, PLUGINS, "KongPlugin", PLUGIN).await?;
    assert_eq!(plugin["plugin"], "cors");
    assert_eq!(
        plugins(&client, name, "a").await?.as_deref(),
        Some("theirs")
    );

    // Once nobody else has what it wants it writes the rest.
    for (version, kind, object) in MADE {
        support::delete(&client, name, version, kind, object).await?;
    }
    let unmarked = ("spec", dataplane);
    second
        .another(KONG, "DataPlane", "dp", json!({"labels": {}}), unmarked)
        .await?;
    came_to(&late().await?.write(&desired).await, 4, 0);

    // Neither is anything changed or taken back that somebody has written since.
    let third = late().await?;
    for (version, kind, object) in PATCHED.into_iter().chain(MADE) {
        let since = json!({"metadata": {"annotations": {"example.com/since": "then"}}});
        support::api(&client, name, version, kind)
            .patch(object, &PatchParams::default(), &Patch::Merge(since))
            .await?;
    }
    let mut other = desired;
    other.bundle = Some("another PEM".to_owned());
    for (config, _) in other.plugins.values_mut() {
        config.insert("per_consumer".to_owned(), json!(true));
    }
    other.services.clear();
    other.dataplanes.clear();
    came_to(&third.write(&other).await, 0, 4);
    came_to(&third.write(&Desired::default()).await, 0, 3);
    for object in third.all().await? {
        let object = object.ok_or("something was deleted")?;
        let since = &object["metadata"]["annotations"]["example.com/since"];
        assert_eq!(since, "then", "{object}");
    }
    Ok(())
}

fn came_to(written: &Written, done: usize, conflicts: usize) {
    // Without a reason: somebody else changed the object in between.
    let conflicted = written.failed.iter().all(|(_, why)| why.is_none());
    assert!(conflicted, "{written:?}");
    let found = (written.done.len(), written.failed.len());
    assert_eq!(found, (done, conflicts));
}

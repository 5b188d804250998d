//! What becomes of names is told once, to whom it concerns: beside our own definition of the extension, and beside Kong's,
//! which has no room for conditions.

use crate::support;
use crate::unreadable::{asked, text};

use kube::Client;
use serde_json::{Value, json};
use support::replica::Replica;
use support::told::{events, programmed};
use support::{
    Definition, GATEWAY, KONG_ALPHA, Result, api, apply, cluster, delete, equal, extension,
    gateway, get, route, service,
};
use tagalong_cluster::{Cluster, Namespace};

struct Ground<'a> {
    cluster: &'a Cluster,
    replica: Replica,
    namespace: Namespace,
    /// Whose Services are named from outside.
    other: Namespace,
    client: Client,
}

impl<'a> Ground<'a> {
    async fn start(cluster: &'a Cluster) -> Result<Self> {
        let namespace = gateway(cluster, "names", &["x"]).await?;
        let other = cluster.namespace("other").await?;
        let (client, name) = (namespace.client(), namespace.name());
        apply(&client, json!({
            "apiVersion": GATEWAY, "kind": "Gateway", "metadata": {"namespace": name, "name": "kong"},
            "spec": {"gatewayClassName": "kong", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        }))
        .await?;
        for one in ["a", "b"] {
            service(&client, name, one, None).await?;
        }
        service(&client, other.name(), "p", None).await?;
        extension(&client, name, "x", &["a", "b"]).await?;
        let replica = Replica::start(cluster, "only").await?;
        let ground = Self {
            cluster,
            replica,
            client,
            namespace,
            other,
        };
        ground.more("mapped", None).await?;
        Ok(ground)
    }

    /// Waits until more names are counted in a state than these: then they have been surveyed since.
    async fn more(&self, state: &str, than: Option<u32>) -> Result {
        let what = format!("more names to be {state}");
        let wait = self.namespace.until(&what, || async {
            let count = self.count(state);
            if count > than {
                Ok(())
            } else {
                Err(format!("{count:?}").into())
            }
        });
        Ok(wait.await?)
    }

    fn count(&self, state: &str) -> Option<u32> {
        let labels = format!(
            "tagalong_index_names{{dataplane=\"dp\",dataplane_namespace=\"{}\",state=\"{state}\"}} ",
            self.namespace.name()
        );
        let text = self.replica.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(&labels))?;
        line.parse().ok()
    }

    /// Waits for so many Events with a reason.
    async fn told(&self, reason: &str, wanted: usize) -> Result<Vec<Value>> {
        let what = format!("{wanted} Events {reason}");
        let told = self.namespace.until(&what, || async {
            let told = events(&self.client, self.namespace.name(), reason).await?;
            equal(&told.len(), &wanted)?;
            Ok(told)
        });
        Ok(told.await?)
    }

    /// All Events, in both namespaces.
    async fn events(&self) -> Result<usize> {
        let mut all = 0;
        for namespace in [&self.namespace, &self.other] {
            let events = api(&self.client, namespace.name(), "events.k8s.io/v1", "Event");
            all += events.list(&Default::default()).await?.items.len();
        }
        Ok(all)
    }

    async fn extension(&self) -> Result<Value> {
        let kind = "DataPlaneMetricsExtension";
        get(&self.client, self.namespace.name(), KONG_ALPHA, kind, "x").await
    }

    /// How often the extension was written.
    fn writes(&self) -> Option<String> {
        let text = self.replica.metrics.encode();
        let mut lines = text.lines();
        let line =
            lines.find(|line| line.contains("writes_total{kind=\"DataPlaneMetricsExtension\""));
        line.map(str::to_owned)
    }

    /// Waits until `NamesResolved` says so, where the definition has room for it.
    async fn says(&self, definition: Definition, wanted: &str) -> Result {
        if definition == Definition::Ours {
            support::told::says(&self.namespace, "x", "NamesResolved", wanted).await?;
            support::told::says(&self.namespace, "x", "Ready", "True Ready").await?;
            return Ok(());
        }
        let status = self.extension().await?["status"].clone();
        let reference = json!({"name": "cp", "namespace": self.namespace.name()});
        equal(&status, &json!({"controlPlaneRef": reference}))
    }
}

/// Of an Event: what it is about, and what else.
fn about(event: &Value) -> [&str; 4] {
    [
        "/type",
        "/regarding/kind",
        "/regarding/name",
        "/related/name",
    ]
    .map(|path| event.pointer(path).and_then(Value::as_str).unwrap_or("-"))
}

async fn told_once(definition: Definition) -> Result {
    let cluster = &cluster(definition).await?;
    let ground = Ground::start(cluster).await?;
    let (client, name) = (&ground.client, ground.namespace.name());

    // A rule that is split is what somebody chose.
    route(client, name, "split", &["a", "b"]).await?;
    let split = ground.told("SplitRule", 2).await?;
    let mut services: Vec<_> = split.iter().map(about).collect();
    services.sort_unstable();
    let extension = |kind, service| [kind, "DataPlaneMetricsExtension", "x", service];
    assert_eq!(
        services,
        [extension("Normal", "a"), extension("Normal", "b")]
    );
    ground.says(definition, "True SplitRule").await?;

    // Two routes give Kong one name.
    for (route, service, host) in [("r", "a", Some("0")), ("r.0", "b", None)] {
        let spec = json!({"parentRefs": [{"name": "kong"}], "hostnames": host.as_slice(),
            "rules": [{"backendRefs": [{"name": service, "port": 80}]}]});
        let metadata = json!({"namespace": name, "name": route});
        apply(
            client,
            json!({"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}),
        )
        .await?;
    }
    let ambiguous = ground.told("AmbiguousName", 2).await?;
    let mut services: Vec<_> = ambiguous.iter().map(about).collect();
    services.sort_unstable();
    assert_eq!(
        services,
        [extension("Warning", "a"), extension("Warning", "b")]
    );
    let clash = format!("httproute.{name}.r.0.0");
    let note = ambiguous[0]["note"].as_str().unwrap_or_default();
    assert!(
        note.contains(&format!(
            "{clash} is left out: it could stand for two Services"
        )),
        "{note}"
    );
    ground.says(definition, "False AmbiguousName").await?;
    assert_eq!(ground.count("ambiguous"), Some(1));

    // Whoever wrote the reference is told, and nobody whom it names.
    let backend = json!([{"name": "p", "namespace": ground.other.name(), "port": 80}]);
    let foreign = json!({"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": {"namespace": name, "name": "foreign"},
        "spec": {"parentRefs": [{"name": "kong"}], "rules": [{"backendRefs": backend}]}});
    apply(client, foreign).await?;
    let not_granted = ground.told("BackendNotGranted", 1).await?;
    assert_eq!(
        about(&not_granted[0]),
        ["Warning", "HTTPRoute", "foreign", "-"]
    );
    assert!(ground.count("not_granted").is_some_and(|count| count > 0));
    let others = api(client, ground.other.name(), "events.k8s.io/v1", "Event");
    assert_eq!(others.list(&Default::default()).await?.items.len(), 0);

    // Kong refuses an edit.
    route(client, name, "edited", &["a"]).await?;
    programmed(client, name, "edited", "True").await?;
    route(client, name, "edited", &["b"]).await?;
    programmed(client, name, "edited", "False").await?;
    let refused = ground.told("ChangeRefused", 2).await?;
    assert!(refused.iter().all(|event| about(event)[0] == "Warning"));
    ground.says(definition, "False AmbiguousName").await?;
    programmed(client, name, "edited", "True").await?;
    let over = ground
        .namespace
        .until("one name to be ambiguous", || async {
            Ok(equal(&ground.count("ambiguous"), &Some(1))?)
        });
    over.await?;

    // What explains a name asks nobody but the API server.
    let (kubeconfig, asks) = (ground.cluster.kubeconfig().to_owned(), clash.clone());
    let output = tokio::task::spawn_blocking(move || asked(&["explain", &asks], Some(&kubeconfig)));
    let output = output.await?;
    let out = text(&output.stdout);
    assert!(
        out.contains("left out: it could stand for two Services"),
        "{out}"
    );

    // What changes nothing of this is no news: other routes, one more that is split, statuses that say the same.
    let quiet = async || -> Result<_> {
        let version = ground.extension().await?["metadata"]["resourceVersion"].clone();
        Ok((ground.events().await?, version, ground.writes()))
    };
    let before = quiet().await?;
    for round in 1..=2 {
        programmed(client, name, "edited", "True").await?;
        service(client, name, &format!("bystander-{round}"), None).await?;
        let mapped = ground.count("mapped");
        route(client, name, &format!("plain-{round}"), &["a"]).await?;
        ground.more("mapped", mapped).await?;
        assert_eq!(quiet().await?, before, "round {round}");
    }
    let splits = ground.count("split");
    route(client, name, "split-too", &["a", "b"]).await?;
    ground.more("split", splits).await?;
    ground.says(definition, "False AmbiguousName").await?;
    assert_eq!(ground.events().await?, before.0, "one more is no news");

    // What is over is told no longer.
    delete(client, name, GATEWAY, "HTTPRoute", "r.0").await?;
    ground.says(definition, "True SplitRule").await?;
    assert_eq!(ground.events().await?, before.0);
    assert_eq!(ground.replica.stop().await?, None);
    Ok(())
}

#[tokio::test]
async fn beside_our_own_definition() -> Result {
    told_once(Definition::Ours).await
}

#[tokio::test]
async fn beside_kongs_own_definition() -> Result {
    told_once(Definition::Kongs).await
}

//! An Event about a pod that cannot be collected, under the operator's own permissions.

use crate::support;

use kube::Client;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::Duration;
use support::{Definition, Result, api, apply, cluster, equal, operator_config};
use tagalong_index::{Object, Settings};
use tagalong_operator::collect::fetch::PodLimits;
use tagalong_operator::collect::{Aggregate, Collector, announce};
use tagalong_operator::lease::Writes;
use tagalong_operator::metrics;
use tagalong_operator::world::World;
use tagalong_ports::Reserved;
use tagalong_runtime::drain;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> Result<T> {
    Ok(serde_json::from_value(object)?)
}

#[tokio::test]
async fn one_event_however_often_it_is_tried() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let namespace = cluster.namespace("collected").await?;
    let (client, name) = (namespace.client(), namespace.name());
    // Nobody listens there yet.
    let reserved = Reserved::new()?;
    let port = reserved.port();
    let pod = apply(
        &client,
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": name, "name": "kong-1",
                "labels": {"gateway-operator.konghq.com/selector": "s"}},
            "spec": {"containers": [{"name": "tagalong", "image": "tagalong-sidecar:1",
                "ports": [{"name": "tagalong", "containerPort": port}]}]},
        }),
    )
    .await?;
    let mut pod = serde_json::to_value(pod)?;
    pod["status"] = json!({"phase": "Running", "podIP": "127.0.0.1"});
    let meta = |object: &str| json!({"namespace": name, "name": object});
    let world = World::new(Settings::default(), metrics::PushMetrics::default());
    world.replace(&[
        Object::Pod(parse(pod)?),
        Object::DataPlane(parse(
            json!({"metadata": meta("kong"), "status": {"selector": "s"}}),
        )?),
        Object::ControlPlane(parse(
            json!({"metadata": meta("cp"), "spec": {"dataplane": "kong",
            "extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}}),
        )?),
        Object::Extension(parse(json!({"metadata": meta("x")}))?),
    ]);

    let (_trigger, drain) = drain::channel();
    let (announcer, troubles) = announce::channel();
    let operator = Client::try_from(operator_config(cluster).await?)?;
    let record = announce::record(operator, "me".into(), Writes::always(), troubles, drain);
    tokio::spawn(record);
    let collector = Collector::new(
        world,
        Aggregate::Enriched,
        PodLimits::default(),
        metrics::Collect::default(),
        Some(announcer),
    );
    for _ in 0..3 {
        let collected = collector.collect(String::new(), Some(Duration::from_secs(10)));
        assert!(collected.await.is_ok());
    }
    let events = || async {
        let events = api(&client, name, "events.k8s.io/v1", "Event");
        let listed = events.list(&ListParams::default()).await?.items;
        let events = listed.into_iter().map(serde_json::to_value);
        let events: std::result::Result<Vec<Value>, _> = events.collect();
        let mut events = events?;
        events.retain(|event| event["reason"] == "MetricsNotCollected");
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(events)
    };
    namespace
        .until("the Event", || async {
            equal(&events().await?.len(), &1)?;
            Ok(())
        })
        .await?;
    let event = events().await?.remove(0);
    assert_eq!(event["regarding"]["name"], "kong-1");
    assert_eq!(event["related"]["name"], "kong");
    assert_eq!(event["series"], Value::Null, "it was told once");
    assert_note(&event);

    // Another reason is another Event, and not one more of the first.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _length = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
            let _written = stream.write_all(answer).await;
        }
    });
    for _ in 0..3 {
        let collected = collector.collect(String::new(), Some(Duration::from_secs(10)));
        assert!(collected.await.is_ok());
    }
    namespace
        .until("the other Event", || async {
            let mut notes: Vec<String> = Vec::new();
            for event in events().await? {
                equal(&event["series"], &Value::Null)?;
                notes.push(event["note"].as_str().unwrap_or_default().to_owned());
            }
            equal(&notes.len(), &2)?;
            equal(
                &notes.iter().any(|note| note.contains("it answered 500")),
                &true,
            )?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// Why, and what may be done about it.
fn assert_note(event: &Value) {
    let note = event["note"].as_str().unwrap_or_default();
    assert!(
        note.contains("no connection") && note.contains("NetworkPolicy"),
        "{note}"
    );
}

//! The controller itself says when Kong has an edited route, and a label waits for that.

use serde_json::{Value, json};
use tagalong_cluster::Result;
use tagalong_index::{Key, Manifests, Settings};

use super::{Ground, backend, cluster, objects};

#[tokio::test(flavor = "multi_thread")]
async fn a_label_waits_until_the_controller_has_shown_the_route() -> Result<()> {
    let cluster = cluster().await?;
    let mut ground = Ground::start("readings", backend().await, &[]).await?;
    ground.pushed().await?;
    let namespace = ground.namespace.name().to_owned();
    let name = format!("httproute.{namespace}.shared-b.0");
    // It is never told the time, so only the status ends a reading.
    let mut index = ground.index(Settings {
        wait_for_kong: true,
        ..Settings::default()
    });
    let read = [
        "get",
        "httproute",
        "shared-b",
        "-n",
        &namespace,
        "-o",
        "json",
    ];
    // What the name is once the index has seen what kubectl says of the route.
    let mut label = async |kubectl: &[&str]| -> Result<Option<String>> {
        let route: Value =
            serde_json::from_str(&cluster.kubectl(kubectl, "").await?).expect("JSON");
        for object in Manifests::read(vec![route]).objects {
            index.apply(object);
        }
        let table = index.snapshot(&Key::new(&*namespace, "kong"));
        let services = table.expect("a table").services.0;
        Ok(services.get(name.as_str()).map(ToString::to_string))
    };
    let mut before = "one";
    for service in ["two", "three", "one"] {
        // Kong is to have the old one for certain.
        let is = format!("{namespace}/{before}");
        loop {
            match label(&read).await? {
                Some(label) if label == is => break,
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
        let value = json!([{"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": service}]);
        let value = value.to_string();
        let patch = [
            "patch",
            "httproute",
            "shared-b",
            "-n",
            &namespace,
            "--type=json",
            "-p",
            &value,
            "-o",
            "json",
        ];
        // The API server's answer to the edit: no controller has seen it yet.
        assert_eq!(label(&patch).await?, None);
        let begun = tokio::time::Instant::now();
        let is = format!("{namespace}/{service}");
        loop {
            let said = label(&read).await?;
            if said.as_ref() == Some(&is) {
                break;
            }
            assert_eq!(said, None, "Kong is between {before} and {service}");
            assert!(begun.elapsed().as_secs() < 50, "it is never shown");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let services = objects::services();
        let address = services.iter().find(|(name, _)| *name == service);
        let document = ground.kong.document();
        let upstreams = document["upstreams"].as_array().expect("upstreams");
        let upstream = upstreams
            .iter()
            .find(|upstream| upstream["name"] == name.as_str());
        let targets = upstream.expect("the upstream")["targets"].to_string();
        assert!(
            targets.contains(&address.expect("a Service").1),
            "{service}: {targets}"
        );
        before = service;
    }
    ground.namespace.delete().await
}

//! The webhook's process and a real API server.

use crate::support;
use crate::support::webhook;

use std::time::Duration;

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use support::{
    applied, corpus, injected, object, settings, sidecar, template, template_mut, unmarked,
};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, Namespace, Result};
use webhook::{Answered, DATAPLANES, Webhook, call};

/// A namespace for which the webhook runs.
struct Ground {
    webhook: Webhook<'static>,
    client: Client,
    namespace: Namespace,
}

impl Ground {
    async fn new(name: &str) -> Result<Self> {
        let cluster = Cluster::shared().await?;
        cluster.install_crds(&[CrdSet::KongGatewayOperator]).await?;
        let namespace = cluster.namespace(name).await?;
        let webhook = Webhook::start(cluster, &namespace, settings()).await;
        Ok(Self {
            webhook,
            client: cluster.client()?,
            namespace,
        })
    }

    /// The object, fit to be created here.
    fn here(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.namespace.name());
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in [
                "uid",
                "resourceVersion",
                "ownerReferences",
                "managedFields",
                "generation",
                "creationTimestamp",
            ] {
                metadata.remove(field);
            }
        }
        object
    }

    fn path(&self, object: &Value) -> String {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        format!(
            "/apis/{version}/namespaces/{}/{kind}s",
            self.namespace.name()
        )
    }

    async fn call(&self, method: Method, object: &Value, query: &str, body: &Value) -> Answered {
        let path = self.path(object);
        let path = if method == Method::POST {
            path
        } else {
            format!(
                "{path}/{}",
                object["metadata"]["name"].as_str().unwrap_or_default()
            )
        };
        call(&self.client, method, &format!("{path}{query}"), Some(body)).await
    }

    async fn create(&self, object: &Value) -> Answered {
        let created = self.call(Method::POST, object, "", object).await;
        assert_eq!(
            created.status,
            201,
            "{}\n{}",
            created.body,
            self.webhook.log()
        );
        created
    }

    async fn patch(&self, object: &Value, patch: Value) -> Answered {
        let patched = self.call(Method::PATCH, object, "", &patch).await;
        assert_eq!(
            patched.status,
            200,
            "{}\n{}",
            patched.body,
            self.webhook.log()
        );
        patched
    }

    async fn get(&self, object: &Value) -> Answered {
        self.call(Method::GET, object, "", &json!(null)).await
    }
}

/// The corpus without the version that only Kong Operator's definitions have.
fn served() -> Vec<(String, Value)> {
    let (served, others): (Vec<_>, Vec<_>) = corpus()
        .into_iter()
        .partition(|(_, object)| object["apiVersion"] != "gateway-operator.konghq.com/v2beta1");
    assert!(served.len() > others.len());
    served
}

/// A merge patch that sets the pod template to `wanted`, as the operators write it: lists replaced as a whole.
fn merge_patch(object: &Value, wanted: &Value) -> Value {
    fn difference(now: &Value, wanted: &Value) -> Value {
        let (Value::Object(now), Value::Object(wanted)) = (now, wanted) else {
            return wanted.clone();
        };
        let mut patch = serde_json::Map::new();
        for (key, value) in wanted {
            match now.get(key) {
                Some(old) if old == value => {}
                Some(old) => drop(patch.insert(key.clone(), difference(old, value))),
                None => drop(patch.insert(key.clone(), value.clone())),
            }
        }
        for key in now.keys().filter(|key| !wanted.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
        Value::Object(patch)
    }
    let template = difference(template(object), wanted);
    let deployment = json!({"podTemplateSpec": template});
    match object["kind"].as_str() {
        Some("DataPlane") => json!({"spec": {"deployment": deployment}}),
        Some("GatewayConfiguration") => {
            json!({"spec": {"dataPlaneOptions": {"deployment": deployment}}})
        }
        _ => json!({"spec": {"template": template}}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_what_was_injected_with_every_default_written_out() -> Result<()> {
    let ground = Ground::new("stored").await?;
    for (name, object) in served() {
        let object = ground.here(&object);
        let expected = applied(&object, &injected(&object, &settings()));
        let stored = ground.create(&object).await.body;
        assert_eq!(sidecar(&stored), sidecar(&expected), "{name}");
        let ours = |object: &Value| {
            let volumes = template(object)["spec"]["volumes"].as_array().cloned();
            volumes
                .into_iter()
                .flatten()
                .find(|volume| volume["name"] == "tagalong")
        };
        assert_eq!(ours(&stored), ours(&expected), "{name}");
        let marker = "/metadata/annotations/tagalong.dev~1injected";
        assert!(template(&stored).pointer(marker).is_some(), "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_takes_the_sidecar_out_changes_nothing() -> Result<()> {
    let ground = Ground::new("steady").await?;
    for (name, object) in served() {
        let object = ground.here(&object);
        ground.create(&object).await;
        // Read back, since the API server fills in defaults of its own.
        let stored = ground.get(&object).await.body;
        let mut bare = unmarked(&stored);
        bare = applied(&bare, &injected(&bare, &settings()));
        let patch = merge_patch(&stored, template(&bare));
        assert_ne!(patch, json!({}), "{name}");
        for _ in 0..3 {
            let patched = ground.patch(&object, patch.clone()).await;
            assert!(
                patched.warnings.is_empty() || name == "host-network",
                "{name}: {:?}",
                patched.warnings
            );
            // A workload's own controller writes its status meanwhile.
            let all = ["generation", "managedFields", "resourceVersion"];
            let workload = object["apiVersion"] == "apps/v1";
            let steady = if workload { &all[..1] } else { &all[..] };
            for field in steady {
                assert_eq!(
                    patched.body["metadata"][field], stored["metadata"][field],
                    "{name}: {field}"
                );
            }
            assert_eq!(patched.body["spec"], stored["spec"], "{name}");
        }
        // The same patch without a mark to bring the sidecar back does change the object: the comparison can fail.
        let unmark = json!({"metadata": {"labels": {"tagalong.dev/inject": null}}});
        let unmarked = ground.patch(&object, unmark).await.body;
        assert_ne!(
            unmarked["metadata"]["resourceVersion"], stored["metadata"]["resourceVersion"],
            "{name}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_the_label_away_gives_back_the_original() -> Result<()> {
    let ground = Ground::new("removed").await?;
    for (name, object) in served() {
        // What the API server makes of the object without us,
        let plain = ground.here(&unmarked(&object));
        let original = ground.create(&plain).await.body;
        assert_eq!(sidecar(&original), None, "{name}");
        // then marked, then no longer.
        let mark = |value| json!({"metadata": {"labels": {"tagalong.dev/inject": value}}});
        let marked = ground.patch(&plain, mark(json!("enabled"))).await;
        assert!(
            sidecar(&marked.body).is_some(),
            "{name}: {:?}",
            marked.warnings
        );
        let removed = ground.patch(&plain, mark(Value::Null)).await;
        assert!(
            removed
                .warnings
                .iter()
                .any(|warning| warning.contains("sidecar is removed")),
            "{name}: {:?}",
            removed.warnings
        );
        assert_eq!(removed.body["spec"], original["spec"], "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_result_and_stores_nothing() -> Result<()> {
    let ground = Ground::new("dry").await?;
    let object = ground.here(&object("smallest"));
    let shown = ground
        .call(Method::POST, &object, "?dryRun=All", &object)
        .await;
    assert!(sidecar(&shown.body).is_some(), "{shown:?}");
    assert_eq!(ground.get(&object).await.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_warning_to_whoever_applies() -> Result<()> {
    let ground = Ground::new("warned").await?;
    let mut object = ground.here(&object("helm-chart"));
    template_mut(&mut object)["spec"]["containers"][0]["env"][5]["value"] = json!("off");
    let created = ground.create(&object).await;
    assert_eq!(sidecar(&created.body), None);
    assert_eq!(created.warnings.len(), 1, "{:?}", created.warnings);
    assert!(
        created.warnings[0].contains("tagalong: no sidecar: KONG_STATUS_LISTEN is `off`"),
        "{:?}",
        created.warnings
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_accepted_under_the_restricted_standard() -> Result<()> {
    let ground = Ground::new("restricted").await?;
    let namespace = format!("/api/v1/namespaces/{}", ground.namespace.name());
    let enforce =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    call(&ground.client, Method::PATCH, &namespace, Some(&enforce)).await;
    for name in ["hardened", "helm-chart"] {
        for native in [true, false] {
            let settings = tagalong_webhook::InjectionSettings {
                native,
                ..settings()
            };
            let object = object(name);
            let object = applied(&object, &injected(&object, &settings));
            let template = template(&object);
            let mut pod = json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "kong", "annotations": template["metadata"]["annotations"]},
                "spec": template["spec"],
            });
            pod["spec"]["serviceAccountName"] = json!("default");
            pod["spec"]["serviceAccount"] = json!("default");
            let path = format!("{namespace}/pods?dryRun=All");
            let created = call(&ground.client, Method::POST, &path, Some(&pod)).await;
            assert_eq!(created.status, 201, "{name}: {}", created.body);
            assert!(
                created.warnings.is_empty(),
                "{name}: {:?}",
                created.warnings
            );

            // The check is real: without one line of ours the pod is refused.
            let list = if native {
                "initContainers"
            } else {
                "containers"
            };
            let containers = pod["spec"][list].as_array_mut().expect("containers");
            let ours = containers
                .last_mut()
                .expect("ours")
                .as_object_mut()
                .expect("a container");
            ours.remove("securityContext");
            let refused = call(&ground.client, Method::POST, &path, Some(&pod)).await;
            assert_eq!(refused.status, 403, "{name}: {}", refused.body);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_webhook_is_down() -> Result<()> {
    let mut ground = Ground::new("down").await?;
    let data_plane = ground.here(&object("smallest"));
    let deployment = ground.here(&object("helm-chart"));
    let mut leaving = ground.here(&object("hardened"));
    leaving["metadata"]["finalizers"] = json!(["example.com/slow"]);
    for object in [&data_plane, &deployment, &leaving] {
        ground.create(object).await;
    }
    let plain = ground.here(&unmarked(&object("gateway-made")));
    ground.create(&plain).await;

    let status = ground.webhook.down();
    assert!(
        status.is_some_and(|status| status.success()),
        "it ends in order: {status:?}"
    );

    // A labelled DataPlane changes, and keeps its sidecar,
    let scale = json!({"spec": {"deployment": {"replicas": 3}}});
    let changed = ground.patch(&data_plane, scale.clone()).await;
    assert!(sidecar(&changed.body).is_some());
    // unless its failure policy is `Fail`: then it does not change,
    ground
        .webhook
        .set_failure_policy(&ground.client, DATAPLANES, "Fail")
        .await;
    let known = ground
        .namespace
        .until("the API server to know the policy", || async {
            let nothing = json!({});
            let refused = ground.call(Method::PATCH, &data_plane, "?dryRun=All", &nothing);
            match refused.await.status {
                500 => Ok(()),
                status => Err(status.to_string().into()),
            }
        });
    known.await?;
    let before = ground.get(&data_plane).await.body;
    let scale = json!({"spec": {"deployment": {"replicas": 4}}});
    let refused = ground.call(Method::PATCH, &data_plane, "", &scale).await;
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert!(
        refused.body["message"]
            .as_str()
            .is_some_and(|text| text.contains("dataplanes.tagalong.dev")),
        "{refused:?}"
    );
    assert_eq!(ground.get(&data_plane).await.body, before);
    // but its status does, and so does its scale.
    let status = json!({"status": {"readyReplicas": 1}});
    let path = format!("{}/smallest/status", ground.path(&data_plane));
    assert_eq!(
        call(&ground.client, Method::PATCH, &path, Some(&status))
            .await
            .status,
        200
    );
    let path = format!("{}/smallest/scale", ground.path(&data_plane));
    let scaled = call(
        &ground.client,
        Method::PATCH,
        &path,
        Some(&json!({"spec": {"replicas": 2}})),
    )
    .await;
    assert_eq!(scaled.status, 200, "{}", scaled.body);
    // Objects without the mark have nothing to do with us.
    ground.patch(&plain, scale).await;
    // A workload changes, and keeps its sidecar.
    let changed = ground
        .patch(&deployment, json!({"spec": {"replicas": 3}}))
        .await;
    assert!(sidecar(&changed.body).is_some());

    // What is to go goes: at once, with a finalizer, or with the whole namespace.
    assert_eq!(
        ground
            .call(Method::DELETE, &data_plane, "", &json!({}))
            .await
            .status,
        200
    );
    assert_eq!(
        ground
            .call(Method::DELETE, &leaving, "", &json!({}))
            .await
            .status,
        200
    );
    ground
        .patch(&leaving, json!({"metadata": {"finalizers": null}}))
        .await;
    assert_eq!(ground.get(&leaving).await.status, 404);

    // Back again, everything is as it was.
    ground.webhook.up().await;
    let object = ground.here(&object("smallest"));
    ground
        .namespace
        .until_within(
            Duration::from_secs(60),
            "the webhook to be asked again",
            || async {
                let created = ground.call(Method::POST, &object, "", &object).await;
                if created.status == 201 {
                    Ok(())
                } else {
                    Err(created.body.to_string().into())
                }
            },
        )
        .await?;
    assert!(sidecar(&ground.get(&object).await.body).is_some());
    ground.webhook.down();
    let Ground {
        namespace, webhook, ..
    } = ground;
    namespace.delete().await?;
    drop(webhook);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_under_way_is_not_held_up() -> Result<()> {
    let mut ground = Ground::new("promotion").await?;
    let object = ground.here(&object("crowded"));
    ground.create(&object).await;
    // The sidecar of an older tagalong, written while nobody was asked.
    let condition = |reason| {
        json!({"status": {"rollout": {"conditions": [{
            "type": "RolledOut", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }]}}})
    };
    let status = format!("{}/crowded/status", ground.path(&object));
    let set = call(
        &ground.client,
        Method::PATCH,
        &status,
        Some(&condition("PromotionInProgress")),
    )
    .await;
    assert_eq!(set.status, 200, "{}", set.body);

    // Taking the label away would change the spec, which the CRD forbids now: it is put off.
    let touched = ground
        .patch(
            &object,
            json!({"metadata": {"labels": {"tagalong.dev/inject": null, "touched": "yes"}}}),
        )
        .await;
    assert!(sidecar(&touched.body).is_some());
    let changed = ground
        .call(
            Method::PATCH,
            &object,
            "",
            &json!({"spec": {"futureField": null, "deployment": {"rollout": null}}}),
        )
        .await;
    assert_eq!(
        changed.status, 422,
        "the rule is in force: {}",
        changed.body
    );

    ground.webhook.log();
    let set = call(
        &ground.client,
        Method::PATCH,
        &status,
        Some(&condition("PromotionDone")),
    )
    .await;
    assert_eq!(set.status, 200, "{}", set.body);
    ground.webhook.down();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_the_warning() -> Result<()> {
    let ground = Ground::new("kubectl").await?;
    let mut object = ground.here(&object("smallest"));
    object["metadata"]["annotations"] = json!({"tagalong.dev/listen-port": "8100"});
    let shown = Cluster::shared()
        .await?
        .kubectl(
            &["apply", "--warnings-as-errors", "-f", "-"],
            &object.to_string(),
        )
        .await;
    let error = shown.expect_err("a warning is an error here").to_string();
    assert!(
        error.contains("Warning: tagalong: no sidecar: port 8100 is taken"),
        "{error}"
    );
    Ok(())
}

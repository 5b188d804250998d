//! What the operator asks of the API server, by the API server's own audit log: everything that the chart allows, and
//! nothing at all to an unchanged world. Passes follow each other each second here, in place of each ten minutes;
//! `TAGALONG_UNCHANGED_SECONDS` leaves them their own pace, and watches for so long (`make soak`).

use crate::support;

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use support::audit::{Asked, asked, secrets_looked_at};
use support::policies::{isolate, ours, policies, until_ours};
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::webhook::{FLAGS, configuration};
use support::{
    CLUSTER_RULES, Definition, HOME, HOME_RULES, KONG, KONG_ALPHA, PLUGINS, Result, api, condition,
    delete, equal, extension, gateway, get, gone, operator_config, plugins, prepare, rules,
    service,
};
use tagalong_cluster::{Cluster, Namespace, until};

const TIMEOUT: Duration = Duration::from_secs(120);
const PLUGIN: &str = "x-metrics-prometheus";
/// So many passes without any event stand for the ten minutes of one.
const RESYNCS: u64 = 20;
/// After this, what the last change led to has been written.
const SETTLED: Duration = Duration::from_secs(10);

/// In a cluster of its own, since nobody else may use the operator's account meanwhile.
#[tokio::test]
async fn permissions() -> Result {
    let cluster = Cluster::start().await?;
    prepare(&cluster, Definition::Ours).await?;
    configuration(&cluster).await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client()?, HOME);
    let half = json!({"metadata": {"name": "tagalong-ca"}, "stringData": {"authority.json": "{"}});
    secrets
        .create(&PostParams::default(), &serde_json::from_value(half)?)
        .await?;
    let watch = match std::env::var("TAGALONG_UNCHANGED_SECONDS") {
        Ok(seconds) => Some(Duration::from_secs(seconds.parse()?)),
        Err(_) => None,
    };
    let mut flags = FLAGS.to_vec();
    if watch.is_none() {
        flags.push("--resync-seconds=1");
    }
    flags.push("--inject-at-source=true");
    let replica = Replica::with(operator_config(&cluster).await?, "only", &flags).await?;
    let namespace = gateway(&cluster, "asked", &["x"]).await?;
    attach(&namespace, &replica).await?;
    mend(&namespace).await?;
    admit(&namespace).await?;
    ask_above(&namespace).await?;
    say_again(&namespace).await?;
    match watch {
        None => an_unchanged_world_causes_no_writes(&cluster, &replica).await?,
        Some(watch) => nor_at_its_own_pace(&cluster, &replica, watch).await?,
    }
    let (client, name) = (namespace.client(), namespace.name());
    delete(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
    let left = namespace.until("the extension to be let go", || async {
        let gone = gone(&client, name, KONG_ALPHA, "DataPlaneMetricsExtension", "x").await?;
        equal(&gone, &true)?;
        Ok(())
    });
    left.await?;
    everything_allowed_was_used(&cluster).await?;
    assert_eq!(replica.stop().await?, None);
    Ok(())
}

async fn attach(namespace: &Namespace, replica: &Replica) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "a", None).await?;
    extension(&client, name, "x", &["a"]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let bound = Some(("proxy", uid.as_str()));
    let (trust, token) = (
        trust(namespace).await?,
        token(&client, name, tagalong_wire::contract::AUDIENCE, bound).await?,
    );
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(replica.push, &trust, &token).await?)
    });
    open.await?;
    let named = namespace.until("the annotation", || async {
        let seen = plugins(&client, name, "a").await?;
        equal(&seen.as_deref(), &Some(PLUGIN))?;
        Ok(())
    });
    named.await?;
    Ok(())
}

/// What others spoil is written anew.
async fn mend(namespace: &Namespace) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    for (version, kind, object, spoilt) in [
        (
            PLUGINS,
            "KongPlugin",
            PLUGIN,
            json!({"config": {"latency_metrics": false}}),
        ),
        (
            "v1",
            "ConfigMap",
            "tagalong-ca",
            json!({"data": {"ca.crt": "spoilt"}}),
        ),
    ] {
        let part = |client: Client| async move {
            let whole = get(&client, name, version, kind, object).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
                whole["config"].clone(),
                whole["data"].clone(),
            ))
        };
        let before = part(client.clone()).await?;
        api(&client, name, version, kind)
            .patch(object, &PatchParams::default(), &Patch::Merge(spoilt))
            .await?;
        let what = format!("{kind} to be mended");
        let mended = namespace.until(&what, || async {
            equal(&part(client.clone()).await?, &before)?;
            Ok(())
        });
        mended.await?;
    }
    Ok(())
}

/// A GatewayConfiguration that names the extension is labelled.
async fn ask_above(namespace: &Namespace) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    let configurations = api(&client, name, KONG, "GatewayConfiguration");
    let object = json!({
        "apiVersion": KONG,
        "kind": "GatewayConfiguration",
        "metadata": {"name": "above"},
        "spec": {"controlPlaneOptions": {"extensions": [{"kind": "DataPlaneMetricsExtension", "name": "x"}]}},
    });
    configurations
        .create(&PostParams::default(), &serde_json::from_value(object)?)
        .await?;
    let labelled = namespace.until("the label", || async {
        let seen = get(&client, name, KONG, "GatewayConfiguration", "above").await?;
        let label = &seen["metadata"]["labels"]["tagalong.dev/inject"];
        equal(label, &json!("enabled"))?;
        Ok(())
    });
    labelled.await?;
    delete(&client, name, KONG, "GatewayConfiguration", "above").await
}

/// A policy of the operator's comes, is mended, and goes.
async fn admit(namespace: &Namespace) -> Result {
    isolate(namespace, "closed", &[]).await?;
    until_ours(namespace, 1).await?;
    let made = ours(namespace).await?.remove(0);
    let name = made["metadata"]["name"].as_str().unwrap_or_default();
    policies(namespace)
        .patch(
            name,
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"ingress": null}})),
        )
        .await?;
    let mended = namespace.until("the policy to be mended", || async {
        equal(&ours(namespace).await?[0]["spec"], &made["spec"])?;
        Ok(())
    });
    mended.await?;
    // Deleted, it would take ours with it.
    let open = json!({"spec": {"policyTypes": ["Egress"], "ingress": null}});
    policies(namespace)
        .patch("closed", &PatchParams::default(), &Patch::Merge(open))
        .await?;
    until_ours(namespace, 0).await
}

/// The same thing said a second time is one Event, counted.
async fn say_again(namespace: &Namespace) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &["a", "late"]).await?;
    let resolved = async |wanted: &str| -> Result {
        let seen = namespace.until("what is said of the Service", || async {
            let seen = condition(&client, name, "x", "ResolvedRefs").await?;
            if seen.starts_with(wanted) {
                Ok(())
            } else {
                Err(seen.into())
            }
        });
        seen.await?;
        Ok(())
    };
    resolved("False").await?;
    service(&client, name, "late", None).await?;
    resolved("True").await?;
    delete(&client, name, "v1", "Service", "late").await?;
    resolved("False").await
}

async fn an_unchanged_world_causes_no_writes(cluster: &Cluster, replica: &Replica) -> Result {
    more_passes(replica, 3).await?;
    let before = writes(cluster)?;
    more_passes(replica, RESYNCS).await?;
    // What is kept in Secrets is looked at less often.
    secrets_looked_at(cluster, "tagalong-webhook-tls").await?;
    more_passes(replica, 1).await?;
    nothing_since(&before, cluster)
}

#[allow(clippy::print_stdout, reason = "watching shows that it goes on")]
async fn nor_at_its_own_pace(cluster: &Cluster, replica: &Replica, watch: Duration) -> Result {
    tokio::time::sleep(SETTLED).await;
    let (before, began) = (writes(cluster)?, asked(cluster)?.len());
    let passes = replica.metrics.reconcile.passes.get();
    println!("watching an unchanged world for {} s", watch.as_secs());
    tokio::time::sleep(watch).await;
    let passes = replica.metrics.reconcile.passes.get() - passes;
    let asked = asked(cluster)?.len() - began;
    println!("{passes} passes, {asked} requests, the Lease's and the watches' among them");
    assert!(passes > 0, "no pass in {} s", watch.as_secs());
    nothing_since(&before, cluster)
}

fn writes(cluster: &Cluster) -> Result<Vec<Asked>> {
    let all: Vec<_> = asked(cluster)?.into_iter().filter(Asked::writes).collect();
    assert!(!all.is_empty(), "the audit log has what is written");
    Ok(all)
}

fn nothing_since(before: &[Asked], cluster: &Cluster) -> Result {
    let after = writes(cluster)?;
    assert_eq!(after.len(), before.len(), "{:?}", &after[before.len()..]);
    Ok(())
}

async fn more_passes(replica: &Replica, more: u64) -> Result {
    let made = || replica.metrics.reconcile.passes.get();
    let wanted = made() + more;
    let waits = until("passes", TIMEOUT, || async {
        if made() >= wanted {
            Ok(())
        } else {
            Err(format!("{} of {wanted}", made()).into())
        }
    });
    waits.await?;
    Ok(())
}

async fn everything_allowed_was_used(cluster: &Cluster) -> Result {
    let mut allowed = BTreeSet::new();
    let all = [rules(CLUSTER_RULES)?, rules(HOME_RULES)?];
    for rule in all.iter().filter_map(|rules| rules.as_array()).flatten() {
        let words = |key: &str| -> Vec<String> {
            let words = rule[key].as_array().into_iter().flatten();
            words
                .filter_map(|word| Some(word.as_str()?.to_owned()))
                .collect()
        };
        for group in words("apiGroups") {
            for resource in words("resources") {
                for verb in words("verbs") {
                    allowed.insert((group.clone(), resource.clone(), verb));
                }
                for name in words("resourceNames") {
                    allowed.insert((group.clone(), resource.clone(), format!("any verb, {name}")));
                }
            }
        }
    }
    assert!(allowed.len() > 50, "{allowed:?}");
    let used = until("every verb and name to be used", TIMEOUT, || async {
        let mut needless = allowed.clone();
        for one in asked(cluster)? {
            let named = format!("any verb, {}", one.name);
            needless.remove(&(one.group.clone(), one.resource.clone(), named));
            needless.remove(&(one.group, one.resource, one.verb));
        }
        equal(&needless, &BTreeSet::new())?;
        Ok(())
    });
    used.await?;
    Ok(())
}

//! Two installations in one cluster: one works, the other waits, and neither undoes what the other does.

use crate::support;

use clap::Parser as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use support::replica::Replica;
use support::told::{events, named, says};
use support::webhook::{FLAGS, configuration, configuration_of};
use support::{
    Definition, HOME, NAME, Result, account_in, api, cluster, equal, extension, gateway, get,
    operator_config, operator_config_in, service,
};
use tagalong_cluster::{Cluster, Namespace, until};
use tagalong_operator::args::{Cli, UninstallArgs};
use tagalong_operator::cli::uninstall::uninstall;
use tagalong_operator::lease::mark::{MARK, WORKING};

const OTHER: &str = "second-system";
const PLUGIN: &str = "x-metrics-prometheus";
const TIMEOUT: Duration = Duration::from_secs(150);
const RBAC: &str = "rbac.authorization.k8s.io/v1";

#[tokio::test]
async fn installations() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let client = cluster.client()?;
    account_in(&client, OTHER).await?;
    configuration(cluster).await?;
    let namespace = gateway(cluster, "both", &["x"]).await?;
    service(&client, namespace.name(), "a", None).await?;
    extension(&client, namespace.name(), "x", &["a"]).await?;
    let first = Replica::start(cluster, "first").await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    works(&client, HOME).await?;

    let second = newcomer(cluster).await?;
    the_newcomer_writes_nothing_and_says_why(&namespace, &second).await?;
    assert_eq!(second.stop().await?, None);
    uninstalling_it_leaves_the_others_marks(&namespace).await?;

    // A rollout of the one that works, or its rollback: the newcomer gets nothing by it.
    let second = newcomer(cluster).await?;
    waits_for(&second, HOME).await?;
    assert_eq!(first.stop().await?, None);
    let first = Replica::with(operator_config(cluster).await?, "again", &[]).await?;
    works(&client, HOME).await?;

    // It is gone for good, under its old name.
    assert_eq!(first.stop().await?, None);
    works(&client, OTHER).await?;
    until("the newcomer to work", TIMEOUT, || async {
        equal(&second.leads(), &true)?;
        equal(&second.readiness.missing(), &Vec::new())?;
        equal(&selectors(&client).await?, &json!({"nobody": "has-this"}))?;
        Ok(())
    })
    .await?;
    named(&namespace, "a", Some(PLUGIN)).await?;
    // And it comes back, with a mark out of a backup: only the name counts.
    let before = Replica::begin(operator_config(cluster).await?, "back", &[])?;
    waits_for(&before, OTHER).await?;
    restore(&client).await?;
    waits_for(&before, OTHER).await?;
    assert!(!before.leads());
    assert_eq!(before.stop().await?, None);
    assert_eq!(second.stop().await?, None);
    Ok(())
}

async fn newcomer(cluster: &Cluster) -> Result<Replica> {
    let config = operator_config_in(cluster, OTHER).await?;
    let home = format!("--namespace={OTHER}");
    let mut flags = vec![home.as_str(), "--pod-uid=of-the-pod"];
    flags.extend(FLAGS);
    Replica::begin(config, "newcomer", &flags)
}

async fn waits_for(replica: &Replica, home: &str) -> Result {
    let wanted = vec![format!("the installation with Lease {home}/{NAME} to go")];
    until("it to wait", TIMEOUT, || async {
        equal(&replica.readiness.missing(), &wanted)?;
        Ok(())
    })
    .await?;
    Ok(())
}

/// Waits until the mark names an installation.
async fn works(client: &Client, home: &str) -> Result {
    until(&format!("{home} to work"), TIMEOUT, || async {
        let mark = get(client, "", RBAC, "ClusterRole", MARK).await?;
        let seen = mark["metadata"]["annotations"][WORKING].clone();
        equal(&seen, &json!(format!("{home}/{NAME}")))?;
        Ok(())
    })
    .await?;
    Ok(())
}

async fn selectors(client: &Client) -> Result<Value> {
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let found = serde_json::to_value(api.get("tagalong").await?)?;
    Ok(found["webhooks"][0]["objectSelector"]["matchLabels"].clone())
}

async fn the_newcomer_writes_nothing_and_says_why(
    namespace: &Namespace,
    second: &Replica,
) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    waits_for(second, HOME).await?;
    says(
        namespace,
        "x",
        "SoleInstallation",
        "False AnotherInstallation",
    )
    .await?;
    says(namespace, "x", "Ready", "True Ready").await?;
    until("its webhook to be asked about nothing", TIMEOUT, || async {
        let asleep = "another-installation-works";
        let wanted = json!({"nobody": "has-this", "tagalong.dev/no-object": asleep});
        equal(&selectors(&client).await?, &wanted)?;
        Ok(())
    })
    .await?;
    let told = events(&client, OTHER, "AnotherInstallation").await?;
    let [event] = told.as_slice() else {
        return Err(format!("{told:?}").into());
    };
    assert_eq!(event["regarding"]["uid"], "of-the-pod");
    let note = event["note"].as_str().unwrap_or_default();
    assert!(note.contains(&format!("{HOME}/{NAME}")), "{note}");
    let version = async || -> Result<Value> {
        let map = get(&client, name, "v1", "ConfigMap", "tagalong-ca").await?;
        Ok(map["metadata"]["resourceVersion"].clone())
    };
    let before = version().await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        version().await?,
        before,
        "somebody wrote the ConfigMap again"
    );
    assert!(!second.leads());
    assert_eq!(second.metrics.reconcile.passes.get(), 0);
    Ok(())
}

async fn uninstalling_it_leaves_the_others_marks(namespace: &Namespace) -> Result {
    let (client, name) = (namespace.client(), namespace.name());
    let whole = async || -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        for (version, kind, object) in [
            ("v1", "Service", "a"),
            ("v1", "ConfigMap", "tagalong-ca"),
            (support::KONG, "DataPlane", "dp"),
            (support::PLUGINS, "KongPlugin", PLUGIN),
        ] {
            objects.push(get(&client, name, version, kind, object).await?);
        }
        Ok(objects)
    };
    let before = whole().await?;
    let home = format!("--namespace={OTHER}");
    let args = Cli::try_parse_from([
        "tagalong-operator",
        &home,
        "--webhook-configuration=tagalong",
    ])?;
    uninstall(client.clone(), &args.operate, &UninstallArgs::default()).await?;
    assert_eq!(whole().await?, before);
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    assert!(configurations.get_opt("tagalong").await?.is_none());
    let gone = namespace.until("nobody to wait any more", || async {
        let seen = support::condition(&client, name, "x", "SoleInstallation").await;
        match seen {
            Err(_none) => Ok(()),
            Ok(seen) => Err(seen.into()),
        }
    });
    gone.await?;
    // As the next installation of the chart makes it.
    configuration_of(&client).await
}

/// The mark anew, as a backup has it: another UID, the same annotations.
async fn restore(client: &Client) -> Result {
    let old = get(client, "", RBAC, "ClusterRole", MARK).await?;
    support::delete(client, "", RBAC, "ClusterRole", MARK).await?;
    let mut anew = old.clone();
    anew["metadata"] = json!({"name": MARK, "annotations": old["metadata"]["annotations"]});
    let params = PatchParams::apply("backup").force();
    let api = api(client, "", RBAC, "ClusterRole");
    let made = api.patch(MARK, &params, &Patch::Apply(&anew)).await?;
    assert_ne!(json!(made.metadata.uid), old["metadata"]["uid"]);
    Ok(())
}

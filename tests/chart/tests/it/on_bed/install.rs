//! The chart on a real API server, from installation to the last trace of it. There is no node: the operator runs
//! here, as the ServiceAccount and with the settings that the chart gives it, and so does what uninstalls it.

use crate::support;

use clap::Parser as _;
use serde_json::{Value, json};
use std::time::Duration;
use support::operator::{Operator, args, client_of};
use support::release::Release;
use support::world::{self, CLUSTER_SCOPED, HOME};
use tagalong_chart::{Result, file};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, until};
use tagalong_operator::args::{Cli, Command, UninstallArgs};
use tagalong_operator::cli::uninstall::uninstall;
use tagalong_webhook::InjectionSettings;

const TIMEOUT: Duration = Duration::from_secs(120);
const CONFIGURATION: &str = "mutatingwebhookconfiguration/tagalong";
const DEFINITION: &str = "crd/dataplanemetricsextensions.gateway-operator.konghq.com";

#[tokio::test]
async fn from_install_to_uninstall() -> Result {
    let cluster = Cluster::shared().await?;
    let sets = [
        CrdSet::GatewayApiStandard,
        CrdSet::KongIngressController,
        CrdSet::KongGatewayOperator,
    ];
    cluster.install_crds(&sets).await?;
    let release = Release::new(cluster);
    // Pods that are not `restricted` are not created here.
    release
        .apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": HOME, "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            }}),
        )
        .await?;

    let notes = release.helm("install", &json!({})).await?;
    assert!(
        notes.contains("kubectl describe dataplanemetricsextension"),
        "{notes}"
    );
    assert!(
        !notes.contains("crds.enabled"),
        "the cluster has the kind: {notes}"
    );
    everything_is_there(&release).await?;
    pods_are_let_in(&release).await?;
    permissions_are_those_of_the_files(&release).await?;

    let before = world::make(&release).await?;
    let operator = Operator::start(cluster, args(&release, "tagalong-operator").await?).await?;
    world::until_attached(&release).await?;
    let bundle = until_bundle(&release).await?;
    upgrades_leave_the_bundle(&release, &bundle).await?;

    // Nobody answers for the webhook, and it fails what is marked: uninstalling must get past that.
    let fails = json!({"crds": {"enabled": true}, "webhook": {"dataPlaneFailurePolicy": "Fail"}});
    release
        .helm_with("upgrade", &fails, &["--take-ownership"])
        .await?;
    let hooks = release.hooks("pre-delete").await?;
    for hook in hooks.iter().filter(|hook| hook["kind"] != "Job") {
        release.apply(hook).await?;
    }
    let source = with_sidecar(&release).await?;
    let client = client_of(cluster, "tagalong-uninstall").await?;
    let args = args(&release, "tagalong-operator").await?;
    let how = uninstall_args(&hooks)?;
    without_hooks_nothing_is_uninstalled(&release, &client, &how).await?;
    let job = tokio::spawn(async move { uninstall(client, &args, &how).await });
    until("the operators to be told to end", TIMEOUT, || async {
        let replicas = release
            .get("deployment/tagalong-operator", "{.spec.replicas}")
            .await?;
        if replicas == "0" {
            Ok(())
        } else {
            Err(replicas.into())
        }
    })
    .await?;
    assert!(
        !job.is_finished(),
        "it goes on while an operator still writes"
    );
    operator.stop().await?;
    job.await??;
    world::is_as_before(&release, &before).await?;
    assert!(release.gone(CONFIGURATION).await?);
    let left = release.get(SOURCE, "{.spec}").await?;
    assert_eq!(serde_json::from_str::<Value>(&left)?, source);
    let left = release.get(SOURCE, "{.metadata.annotations}").await?;
    assert!(!left.contains("tagalong"), "{left}");
    release
        .kubectl(&["delete", SOURCE, &format!("--namespace={HOME}")], "")
        .await?;
    for hook in hooks.iter().filter(|hook| hook["kind"] != "Job") {
        release.delete(hook).await?;
    }

    release.uninstall().await?;
    nothing_is_left(&release).await
}

const SOURCE: &str = "gatewayconfiguration/above";

/// A GatewayConfiguration in which a webhook has left its sidecar; what it was before.
async fn with_sidecar(release: &Release) -> Result<Value> {
    // The second is what the API server would put there.
    let spec = json!({"controlPlaneOptions": {
        "extensions": [
            {"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension", "name": "nobody"},
        ],
        "watchNamespaces": {"type": "all"},
    }});
    let mut object = json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1",
        "kind": "GatewayConfiguration",
        "metadata": {"name": "above", "namespace": HOME, "labels": {"tagalong.dev/inject": "enabled"},
            "annotations": {"tagalong.dev/added-inject-label": "true"}},
        "spec": spec,
    });
    let settings = InjectionSettings::new("sidecar:1", "https://o.t.svc:8443/v1/labels");
    let patch = tagalong_webhook::inject(&object, None, &settings).patch;
    json_patch::patch(&mut object, &patch)?;
    // The label went while no webhook answered.
    object["metadata"]["labels"] = json!({});
    release.apply(&object).await?;
    let seen = release.get(SOURCE, "{.spec.dataPlaneOptions}").await?;
    assert!(seen.contains("kong-metrics-url"), "{seen}");
    Ok(spec)
}

/// As the Job's container says it.
fn uninstall_args(hooks: &[Value]) -> Result<UninstallArgs> {
    let job = hooks.iter().find(|hook| hook["kind"] == "Job");
    let args = &job.ok_or("no Job")?["spec"]["template"]["spec"]["containers"][0]["args"];
    let args: Vec<String> = serde_json::from_value(args.clone())?;
    let cli = Cli::try_parse_from(std::iter::once("tagalong-operator".to_owned()).chain(args))?;
    match cli.command {
        Some(Command::Uninstall(how)) => Ok(how),
        other => Err(format!("{other:?}").into()),
    }
}

/// Kustomize and `helm template | kubectl apply` apply the Job when they install, and their Deployment lacks Helm's mark.
async fn without_hooks_nothing_is_uninstalled(
    release: &Release,
    client: &kube::Client,
    how: &UninstallArgs,
) -> Result {
    const DEPLOYMENT: &str = "deployment/tagalong-operator";
    let annotate = async |mark: &str| {
        let home = format!("--namespace={HOME}");
        release
            .kubectl(&["annotate", DEPLOYMENT, mark, &home], "")
            .await
    };
    annotate("meta.helm.sh/release-name-").await?;
    let args = args(release, "tagalong-operator").await?;
    uninstall(client.clone(), &args, how).await?;
    let replicas = release.get(DEPLOYMENT, "{.spec.replicas}").await?;
    assert_eq!(replicas, "2");
    assert!(!release.gone(CONFIGURATION).await?);
    annotate("meta.helm.sh/release-name=tagalong").await?;
    // They may apply the Job before the Deployment.
    let home = format!("--namespace={HOME}");
    let text = release
        .kubectl(&["get", DEPLOYMENT, "-ojson", &home], "")
        .await?;
    let mut deployment: Value = serde_json::from_str(&text)?;
    deployment["status"] = Value::Null;
    let metadata = deployment["metadata"]
        .as_object_mut()
        .ok_or("no metadata")?;
    metadata
        .retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    release.kubectl(&["delete", DEPLOYMENT, &home], "").await?;
    uninstall(client.clone(), &args, how).await?;
    assert!(!release.gone(CONFIGURATION).await?);
    release
        .kubectl(&["create", "-f", "-"], &deployment.to_string())
        .await?;
    Ok(())
}

async fn everything_is_there(release: &Release) -> Result {
    let manifest = release.manifest().await?;
    assert!(manifest.len() > 12, "{}", manifest.len());
    for object in &manifest {
        assert!(!release.gone(&world::name_of(object)).await?, "{object}");
    }
    Ok(())
}

/// The Deployments have pods, which nobody would make if the API server refused them; the hooks' are tried.
async fn pods_are_let_in(release: &Release) -> Result {
    until("all pods to be created", TIMEOUT, || async {
        let pods = release.get("pods", "{.items[*].metadata.name}").await?;
        if pods.split_whitespace().count() == 4 {
            Ok(())
        } else {
            Err(pods.into())
        }
    })
    .await?;
    for hook in release.hooks("").await? {
        let spec = match hook["kind"].as_str() {
            Some("Pod") => hook["spec"].clone(),
            Some("Job") => hook["spec"]["template"]["spec"].clone(),
            _ => continue,
        };
        let mut spec = spec;
        // Of the hook's own time.
        spec["serviceAccountName"] = json!("default");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": HOME}, "spec": spec});
        release
            .kubectl(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
            .await?;
    }
    Ok(())
}

async fn permissions_are_those_of_the_files(release: &Release) -> Result {
    for (kind, name) in [
        ("clusterrole", "operator-clusterrole-rules.yaml"),
        ("role", "operator-role-rules.yaml"),
    ] {
        let installed = release
            .get(&format!("{kind}/tagalong-operator"), "{.rules}")
            .await?;
        let installed: Value = serde_json::from_str(&installed)?;
        let wanted: Value = serde_saphyr::from_str(&file(&format!("files/{name}"))?)?;
        assert_eq!(installed, wanted, "{kind}");
    }
    Ok(())
}

async fn until_bundle(release: &Release) -> Result<String> {
    let authority = release
        .get("secret/tagalong-ca", r"{.data.ca\.crt}")
        .await?;
    until("caBundle to be the authority's", TIMEOUT, || async {
        let all = release
            .get(CONFIGURATION, "{.webhooks[*].clientConfig.caBundle}")
            .await?;
        if all == format!("{authority} {authority} {authority}") {
            Ok(())
        } else {
            Err(all.into())
        }
    })
    .await?;
    Ok(authority)
}

async fn upgrades_leave_the_bundle(release: &Release, bundle: &str) -> Result {
    let values = json!({"webhook": {"timeoutSeconds": 4, "namespaceSelector": {"matchLabels": {"none": "such"}}}});
    let version = release.get(CONFIGURATION, "{.metadata.generation}").await?;
    release.helm("upgrade", &values).await?;
    let now = release.get(CONFIGURATION, "{.metadata.generation} {.webhooks[*].timeoutSeconds} {.webhooks[*].clientConfig.caBundle}").await?;
    // One write: it was not wiped and set again.
    let next = version.parse::<u64>()? + 1;
    assert_eq!(now, format!("{next} 4 4 4 {bundle} {bundle} {bundle}"));
    Ok(())
}

async fn nothing_is_left(release: &Release) -> Result {
    assert!(!release.gone(DEFINITION).await?, "crds.keep");
    until("pods to be gone", TIMEOUT, || async {
        let left = release
            .kubectl(
                &[
                    "get",
                    "all,secrets,leases,serviceaccounts,roles,rolebindings,pdb,networkpolicies",
                    "-n",
                    HOME,
                    "-o",
                    "name",
                ],
                "",
            )
            .await?;
        let left: Vec<&str> = left
            .lines()
            .filter(|name| *name != "serviceaccount/default")
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}").into())
        }
    })
    .await?;
    let left = release
        .kubectl(&["get", CLUSTER_SCOPED, "-o", "name"], "")
        .await?;
    let left: Vec<&str> = left
        .lines()
        .filter(|name| name.contains("tagalong"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

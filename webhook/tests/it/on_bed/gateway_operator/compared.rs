//! Version `v2beta1`: tagalong's operator, its webhook and a stand-in for Kong Operator 2.2 at a real API server. Whoever is away,
//! nobody writes anything; and whatever comes in between, no pod is replaced but for what a person changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, Namespace, programs};
use tempfile::TempDir;

use super::ground::{quiet, revision, version};
use super::stand_in::StandIn;
use crate::support::node::{Tried, has_sidecar};
use crate::support::settings;
use crate::support::webhook::{SOURCES, Webhook, call};

const KONG: &str = "gateway-operator.konghq.com";
const HOME: &str = "tagalong-system";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gatewayconfigurations.gateway-operator.konghq.com";
const LABEL: &str = "tagalong.dev/inject";
/// The operator's pause before it does something about what lacks a sidecar.
const MISSED: &str = "--missed-after=8";
const TIMEOUT: Duration = Duration::from_secs(90);

/// What a person keeps in Git: lists that a client replaces whole.
fn in_git(volumes: &[&str]) -> Value {
    let volumes: Vec<_> = volumes
        .iter()
        .map(|name| json!({"name": name, "emptyDir": {}}))
        .collect();
    json!({
        "apiVersion": format!("{KONG}/v2beta1"),
        "kind": "GatewayConfiguration",
        "metadata": {"name": "kong"},
        "spec": {
            "extensions": [{"group": KONG, "kind": "DataPlaneMetricsExtension", "name": "x"}],
            "dataPlaneOptions": {"deployment": {"podTemplateSpec": {"spec": {
                "containers": [{"name": "proxy", "env": [{"name": "KONG_LOG_LEVEL", "value": "warn"}]}],
                "volumes": volumes,
            }}}},
        },
    })
}

struct Town<'a> {
    cluster: &'a Cluster,
    client: Client,
    namespace: &'a Namespace,
    logs: TempDir,
}

impl Town<'_> {
    fn path(&self, api: &str, rest: &str) -> String {
        format!("{api}/namespaces/{}/{rest}", self.namespace.name())
    }

    async fn get(&self, api: &str, rest: &str) -> Value {
        let path = self.path(api, rest);
        call(&self.client, Method::GET, &path, None).await.body
    }

    async fn create(&self, kind: &str, object: &Value) -> Tried<Value> {
        let api = object["apiVersion"].as_str().unwrap_or_default();
        let prefix = if api.contains('/') { "/apis" } else { "/api" };
        let path = self.path(&format!("{prefix}/{api}"), kind);
        let created = call(&self.client, Method::POST, &path, Some(object)).await;
        match created.status {
            201 => Ok(created.body),
            status => Err(format!("{status}: {}", created.body).into()),
        }
    }

    async fn configuration(&self) -> Value {
        let api = format!("/apis/{KONG}/v2beta1");
        self.get(&api, "gatewayconfigurations/kong").await
    }

    async fn dataplane(&self) -> Value {
        let api = format!("/apis/{KONG}/v1beta1");
        self.get(&api, "dataplanes/kong").await
    }

    /// How often Kong's pods were replaced.
    async fn revision(&self) -> u32 {
        revision(&self.get("/apis/apps/v1", "deployments/kong").await)
    }

    /// As `kubectl apply` does it, and Argo CD without server-side apply.
    async fn apply(&self, object: &Value) -> Result<String, String> {
        let namespace = format!("--namespace={}", self.namespace.name());
        let apply = ["apply", &namespace, "-f", "-"];
        let applied = self.cluster.kubectl(&apply, &object.to_string()).await;
        applied.map_err(|error| error.to_string())
    }

    /// The webhook's pod, as far as the operator looks at it.
    async fn set_webhook_pod(&self, there: bool) {
        let path = format!("/api/v1/namespaces/{HOME}/pods");
        let labels = json!({"app": "webhook", "tagalong.dev/injects": "gateway-configurations"});
        let container = json!({"name": "webhook", "image": "webhook"});
        let pod = json!({"metadata": {"name": "webhook", "labels": labels}, "spec": {"containers": [container]}});
        let (method, path) = if there {
            (Method::POST, path)
        } else {
            (
                Method::DELETE,
                format!("{path}/webhook?gracePeriodSeconds=0"),
            )
        };
        let done = call(&self.client, method, &path, there.then_some(&pod)).await;
        assert!(done.status < 300, "{}", done.body);
    }

    fn operator(&self, flags: &[&str]) -> Tried<Process> {
        let mut command = self.cluster.ground().command(operator()?);
        command
            .args([
                "--metrics-address=127.0.0.1:0",
                "--admin-address=127.0.0.1:0",
            ])
            .args([
                "--push-address=127.0.0.1:0",
                "--webhook-pods=app=webhook",
                MISSED,
            ])
            .args(flags)
            .env("KUBECONFIG", self.cluster.inside_kubeconfig());
        Ok(Process::start("operator", command, self.logs.path())?)
    }

    /// `tagalong-operator uninstall`, from outside the cluster.
    async fn uninstall(&self, webhook: &str) -> Tried<()> {
        let mut command = self.cluster.ground().command(operator()?);
        command
            .args(["uninstall"])
            .env("TAGALONG_NAMESPACE", HOME)
            .env("TAGALONG_POD_NAME", "somebody")
            .env("TAGALONG_WEBHOOK_CONFIGURATION", webhook)
            .env("KUBECONFIG", self.cluster.inside_kubeconfig());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(log.into())
        }
    }

    /// The DataPlane and its Deployment have the sidecar, and no label or ours, as `labelled` says.
    async fn until_injected(&self, labelled: bool) -> Tried<()> {
        let seen =
            self.namespace
                .until_within(TIMEOUT, "the sidecar in the Deployment", || async {
                    let (dataplane, deployment) = (
                        self.dataplane().await,
                        self.get("/apis/apps/v1", "deployments/kong").await,
                    );
                    let label = &dataplane["metadata"]["labels"][LABEL];
                    let template = &dataplane["spec"]["deployment"]["podTemplateSpec"];
                    let all = has_sidecar(&template["spec"])
                        && has_sidecar(&deployment["spec"]["template"]["spec"])
                        && (label == "enabled") == labelled
                        && is_whole(&self.configuration().await) != labelled
                        && deployment["status"]["observedGeneration"]
                            == deployment["metadata"]["generation"];
                    if all {
                        Ok(())
                    } else {
                        Err(json!([dataplane, self.configuration().await])
                            .to_string()
                            .into())
                    }
                });
        Ok(seen.await?)
    }

    /// Writes so far, of whatever sort, to what Kong's pods depend on, by resource.
    fn writes(&self) -> Tried<BTreeMap<String, usize>> {
        let log = self.cluster.audit_log().ok_or("the cluster is not ours")?;
        let text = std::fs::read_to_string(log)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _half)| whole);
        let mut writes = BTreeMap::new();
        for line in whole.lines() {
            let event: Value = serde_json::from_str(line)?;
            let (object, verb) = (&event["objectRef"], event["verb"].as_str());
            let resource = object["resource"].as_str().unwrap_or_default();
            let ours = [
                "gatewayconfigurations",
                "gateways",
                "dataplanes",
                "deployments",
            ];
            let here = object["namespace"] == self.namespace.name();
            if here && ours.contains(&resource) && !matches!(verb, Some("get" | "list" | "watch")) {
                *writes.entry(resource.to_owned()).or_default() += 1;
            }
        }
        Ok(writes)
    }

    /// Nobody writes anything for a while, and nobody is refused.
    async fn is_quiet(&self, stand_in: &StandIn) -> Tried<()> {
        // What has been written is in the log a moment later.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (before, deeds) = (self.writes()?, stand_in.deeds());
        let (configuration, dataplane) = (self.configuration().await, self.dataplane().await);
        tokio::time::sleep(quiet()).await;
        assert_eq!(self.writes()?, before);
        let now = stand_in.deeds();
        assert_eq!(now.writes, deeds.writes);
        assert_eq!(now.refusals, deeds.refusals);
        assert_eq!(self.configuration().await, configuration);
        assert_eq!(self.dataplane().await, dataplane);
        Ok(())
    }
}

fn operator() -> Tried<std::path::PathBuf> {
    let binaries = programs::build(&["tagalong-operator"])?;
    Ok(Path::new(&binaries).join("tagalong-operator"))
}

/// Whether all that the webhook puts into a configuration is there.
fn is_whole(configuration: &Value) -> bool {
    let template = &configuration["spec"]["dataPlaneOptions"]["deployment"]["podTemplateSpec"];
    let volumes = template["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.map(|volume| &volume["name"]);
    has_sidecar(&template["spec"]) && names.any(|name| name == "tagalong")
}

/// Kong Operator's definition has `v2beta1`, which is stored, beside `v1beta1`. It cannot be had; what concerns us is the same in both.
async fn install_definitions(cluster: &Cluster, client: &Client) -> Tried<()> {
    let sets = [
        CrdSet::GatewayApiStandard,
        CrdSet::KongIngressController,
        CrdSet::KongGatewayOperator,
    ];
    cluster.install_crds(&sets).await?;
    let mut definition = call(client, Method::GET, DEFINITION, None).await.body;
    let versions = definition["spec"]["versions"].as_array_mut();
    let versions = versions.ok_or("no versions")?;
    let mut newer = versions.first().cloned().ok_or("no version")?;
    newer["name"] = json!("v2beta1");
    versions[0]["storage"] = json!(false);
    versions.push(newer);
    let put = call(client, Method::PUT, DEFINITION, Some(&definition)).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let ours = include_str!(
        "../../../../../crds/generated/dataplanemetricsextensions.gateway-operator.konghq.com.yaml"
    );
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    cluster.kubectl(&apply, ours).await?;
    cluster.kubectl(&["create", "namespace", HOME], "").await?;
    Ok(())
}

impl Town<'_> {
    /// A Gateway, and what Kong's operator has made of it.
    async fn settle(&self) -> Tried<()> {
        self.namespace
            .until("the version to be served", || async {
                let applied = self.apply(&in_git(&["mine"])).await;
                applied.map_err(tagalong_cluster::Seen::from)
            })
            .await?;
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "kong"},
            "spec": {"gatewayClassName": "kong", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        });
        let gateway = self.create("gateways", &gateway).await?;
        let owner = json!([{
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "kong", "uid": gateway["metadata"]["uid"],
        }]);
        let containers = |name: &str, image: &str| json!({"podTemplateSpec": {"spec": {"containers": [{"name": name, "image": image}]}}});
        let dataplane = json!({
            "apiVersion": format!("{KONG}/v1beta1"), "kind": "DataPlane",
            "metadata": {"name": "kong", "ownerReferences": owner},
            "spec": {"deployment": containers("proxy", "kong/kong-gateway:3.14")},
        });
        self.create("dataplanes", &dataplane).await?;
        let control_plane = json!({
            "apiVersion": format!("{KONG}/v1beta1"), "kind": "ControlPlane", "metadata": {"name": "kong"},
            "spec": {
                "dataplane": "kong", "deployment": containers("controller", "kong/kubernetes-ingress-controller:3.4"),
                "extensions": [{"group": KONG, "kind": "DataPlaneMetricsExtension", "name": "x"}],
            },
        });
        self.create("controlplanes", &control_plane).await?;
        let extension = json!({
            "apiVersion": format!("{KONG}/v1alpha1"), "kind": "DataPlaneMetricsExtension", "metadata": {"name": "x"},
            "spec": {"serviceSelector": {"matchNames": []}, "config": {"latency": true}},
        });
        self.create("dataplanemetricsextensions", &extension)
            .await?;
        Ok(())
    }

    fn stand_in(&self) -> StandIn {
        StandIn::start(self.client.clone(), self.namespace.name())
    }

    /// `kubectl apply` of what Git has is refused, each time that a tool tries.
    async fn refuses_what_git_has(&self, changed: &Value) {
        let before = self.configuration().await;
        for _ in 0..3 {
            let refused = self.apply(changed).await;
            assert!(
                refused.as_ref().is_err_and(|error| error.contains(SOURCES)),
                "{refused:?}"
            );
        }
        assert_eq!(self.configuration().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_away_nobody_writes_and_no_pod_is_replaced() -> Tried<()> {
    let cluster = Cluster::start().await?;
    let client = cluster.client()?;
    install_definitions(&cluster, &client).await?;
    let namespace = cluster.namespace("compared").await?;
    let town = Town {
        cluster: &cluster,
        client: client.clone(),
        namespace: &namespace,
        logs: tempfile::tempdir()?,
    };
    let mut webhook = Webhook::start(&cluster, &namespace, settings()).await;
    town.set_webhook_pod(true).await;
    town.settle().await?;
    let stand_in = town.stand_in();
    namespace
        .until("pods without a sidecar", || async {
            match town.revision().await {
                1 => Ok(()),
                other => Err(other.to_string().into()),
            }
        })
        .await?;
    let operator = town.operator(&["--inject-at-source=true"])?;
    town.until_injected(false).await?;
    assert_eq!(town.revision().await, 2, "one rollout");
    town.is_quiet(&stand_in).await?;

    // The webhook is away, and all others start anew.
    webhook.down();
    town.set_webhook_pod(false).await;
    drop((stand_in, operator));
    cluster.restart_api_server().await?;
    let (stand_in, operator) = (
        town.stand_in(),
        town.operator(&["--inject-at-source=true"])?,
    );
    town.is_quiet(&stand_in).await?;
    assert!(
        stand_in.deeds().refusals.is_empty(),
        "{:?}",
        stand_in.deeds()
    );
    assert_eq!(town.revision().await, 2);

    // What a person applies meanwhile is refused, since it would take half of the sidecar out.
    let changed = in_git(&["mine", "more"]);
    town.refuses_what_git_has(&changed).await;
    webhook.set_failure_policy(&client, SOURCES, "Ignore").await;
    namespace
        .until("the API server to know the policy", || async {
            town.apply(&changed)
                .await
                .map_err(tagalong_cluster::Seen::from)
        })
        .await?;
    let torn = town.configuration().await;
    let template = &torn["spec"]["dataPlaneOptions"]["deployment"]["podTemplateSpec"];
    assert!(
        has_sidecar(&template["spec"]) && !is_whole(&torn),
        "{template}"
    );
    // No pod can be made of that, so those that run stay.
    namespace
        .until("the Deployment to be refused", || async {
            let deeds = stand_in.deeds();
            if deeds
                .refusals
                .iter()
                .any(|why| why.contains("volumeMounts"))
            {
                Ok(())
            } else {
                Err(format!("{deeds:?}").into())
            }
        })
        .await?;
    assert_eq!(town.revision().await, 2);
    // When the webhook is back, the operator brings the configuration through it; then the person's change comes down.
    webhook.up().await;
    town.set_webhook_pod(true).await;
    webhook.set_failure_policy(&client, SOURCES, "Fail").await;
    let seen = namespace.until_within(TIMEOUT, "the whole sidecar", || async {
        match (is_whole(&town.configuration().await), town.revision().await) {
            (true, 3) => Ok(()),
            other => Err(format!("{other:?}\n{}", operator.log_tail()).into()),
        }
    });
    seen.await?;
    town.until_injected(false).await?;
    town.is_quiet(&stand_in).await?;
    assert_eq!(town.revision().await, 3, "for the person's change");

    // A tool that applies what Git has again and again changes nothing: what it takes out is put back in the same request.
    let before = town.configuration().await;
    for _ in 0..5 {
        town.apply(&changed).await?;
    }
    assert_eq!(version(&town.configuration().await), version(&before));

    // Back to a chart of before: its operator labels the DataPlane, and does not know what is above. And forth again.
    operator.stop(TIMEOUT);
    let path = town.path(&format!("/apis/{KONG}/v1beta1"), "dataplanes/kong");
    let labelled = json!({"metadata": {"labels": {LABEL: "enabled"}, "annotations": {"tagalong.dev/added-inject-label": "true"}}});
    let patched = call(&client, Method::PATCH, &path, Some(&labelled)).await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let operator = town.operator(&["--inject-at-source=true"])?;
    town.until_injected(false).await?;
    // The same by the setting.
    operator.stop(TIMEOUT);
    let operator = town.operator(&["--inject-at-source=false"])?;
    town.until_injected(true).await?;
    operator.stop(TIMEOUT);
    let operator = town.operator(&["--inject-at-source=true"])?;
    town.until_injected(false).await?;
    town.is_quiet(&stand_in).await?;
    assert_eq!(town.revision().await, 3);

    // All of tagalong goes at once, and leaves what it put in: Kong runs on. Later somebody takes that out, while no webhook
    // answers that is still asked.
    operator.stop(TIMEOUT);
    webhook.down();
    drop(stand_in);
    let stand_in = town.stand_in();
    town.is_quiet(&stand_in).await?;
    assert_eq!(town.revision().await, 3);
    town.uninstall(webhook.name()).await?;
    let left = town.configuration().await;
    assert_eq!(
        left["spec"]["dataPlaneOptions"],
        changed["spec"]["dataPlaneOptions"]
    );
    assert!(!left.to_string().contains("tagalong.dev"), "{left}");
    namespace
        .until("pods without a sidecar", || async {
            let deployment = town.get("/apis/apps/v1", "deployments/kong").await;
            let template = &deployment["spec"]["template"]["spec"];
            if has_sidecar(template) || !town.dataplane().await["metadata"]["annotations"].is_null()
            {
                return Err(deployment.to_string().into());
            }
            Ok(())
        })
        .await?;
    drop(webhook);
    Ok(())
}

//! The operator on a real API server, under exactly the permissions that the chart gives it.

pub mod audit;
pub mod city;
pub mod datadog;
pub mod pods;
pub mod policies;
pub mod prometheus;
pub mod replica;
pub mod sidecar;
pub mod told;
pub mod webhook;
pub mod wire;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Config};
use replica::Replica;
use serde_json::{Value, json};
use tagalong_cluster::crds::CrdSet;
use tagalong_cluster::{Cluster, Namespace};
use tagalong_operator::lease::mark::MARK;
use tokio::sync::OnceCell;

/// Where the operator lives.
pub const HOME: &str = "tagalong-system";
/// Its account, its roles and its Lease.
pub const NAME: &str = "tagalong-operator";
/// Files of rules.
pub const CLUSTER_RULES: &str = "operator-clusterrole-rules.yaml";
pub const HOME_RULES: &str = "operator-role-rules.yaml";

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Which definition of DataPlaneMetricsExtension is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// tagalong's, which has conditions.
    Ours,
    /// Kong's, which has none.
    Kongs,
}

/// A cluster of the caller's own with all definitions and the operator's account.
pub async fn cluster(definition: Definition) -> Result<Cluster> {
    let cluster = Cluster::start().await?;
    prepare(&cluster, definition).await?;
    Ok(cluster)
}

/// Puts all definitions and the operator's account into a cluster.
pub async fn prepare(cluster: &Cluster, definition: Definition) -> Result {
    cluster
        .install_crds(&[
            CrdSet::GatewayApiExperimental,
            CrdSet::KongIngressController,
            CrdSet::KongIncubator,
            CrdSet::KongGatewayOperator,
        ])
        .await?;
    if definition == Definition::Ours {
        install_ours(&cluster.client()?).await?;
    }
    account(&cluster.client()?).await
}

/// The operator that most stories share, in a cluster with our definition. Not for those that are about all of a cluster,
/// that count what the operator asks, or that end it: there is one Lease, and one account.
pub async fn operator() -> Result<(&'static Cluster, &'static Replica)> {
    static OPERATOR: OnceCell<Replica> = OnceCell::const_new();
    let cluster = Cluster::shared().await?;
    let replica = OPERATOR
        .get_or_try_init(|| async {
            prepare(cluster, Definition::Ours).await?;
            Replica::start(cluster, "shared").await
        })
        .await?;
    Ok((cluster, replica))
}

/// An operator that nobody shares, in a cluster that nobody shares.
pub async fn operator_of_its_own() -> Result<(Cluster, Replica)> {
    let cluster = cluster(Definition::Ours).await?;
    let replica = Replica::start(&cluster, "only").await?;
    Ok((cluster, replica))
}

/// Our definition, which a test of `crds` holds to its types.
const DEFINITION: &str = include_str!(
    "../../../../crds/generated/dataplanemetricsextensions.gateway-operator.konghq.com.yaml"
);

/// Puts our definition in place of Kong's.
pub async fn install_ours(client: &Client) -> Result {
    let definition: Value = serde_saphyr::from_str(DEFINITION)?;
    let name = definition["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let api = Api::<DynamicObject>::all_with(
        client.clone(),
        &ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
            "customresourcedefinitions",
        ),
    );
    let params = PatchParams::apply("tagalong-tests").force();
    api.patch(&name, &params, &Patch::Apply(definition)).await?;
    Ok(())
}

/// Rules of a role, as the chart has them.
pub fn rules(file: &str) -> Result<Value> {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/tagalong/files");
    let text = std::fs::read_to_string(format!("{files}/{file}"))?;
    Ok(serde_saphyr::from_str(&text)?)
}

pub async fn account(client: &Client) -> Result {
    apply(
        client,
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": MARK}, "rules": []}),
    )
    .await?;
    account_in(client, HOME).await
}

/// An operator's account in a namespace, as one installation has it.
pub async fn account_in(client: &Client, home: &str) -> Result {
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": home}]);
    let role =
        |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": NAME});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": home}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": NAME},
            "rules": rules(CLUSTER_RULES)?}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("{NAME}-{home}")},
            "roleRef": role("ClusterRole"), "subjects": subject}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": NAME, "namespace": home}, "rules": rules(HOME_RULES)?}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": NAME, "namespace": home}, "roleRef": role("Role"), "subjects": subject}),
    ] {
        apply(client, object).await?;
    }
    Ok(())
}

/// The operator's own configuration: its service account's token, and nothing else.
pub async fn operator_config(cluster: &Cluster) -> Result<Config> {
    operator_config_in(cluster, HOME).await
}

/// The same for an installation in another namespace.
pub async fn operator_config_in(cluster: &Cluster, home: &str) -> Result<Config> {
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client()?, home);
    let request = TokenRequest {
        metadata: ObjectMeta::default(),
        spec: TokenRequestSpec {
            audiences: Vec::new(),
            expiration_seconds: Some(7200),
            bound_object_ref: None,
        },
        status: None,
    };
    let answer = accounts
        .create_token_request(NAME, &PostParams::default(), &request)
        .await?;
    let mut config = cluster.config();
    let token = answer.status.ok_or("no token")?.token;
    config.auth_info = serde_json::from_value(json!({"token": token}))?;
    Ok(config)
}

/// The API of a kind, as a person would write to it.
pub fn api(client: &Client, namespace: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let plural = match kind {
        "Ingress" => "ingresses".to_owned(),
        "NetworkPolicy" => "networkpolicies".to_owned(),
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

/// Creates or changes an object, as `kubectl apply --server-side` does.
pub async fn apply(client: &Client, object: Value) -> Result<DynamicObject> {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    let api = api(client, text("/metadata/namespace"), version, kind);
    let params = PatchParams::apply("tagalong-tests").force();
    Ok(api
        .patch(text("/metadata/name"), &params, &Patch::Apply(&object))
        .await?)
}

pub const KONG: &str = "gateway-operator.konghq.com/v1beta1";
pub const KONG_ALPHA: &str = "gateway-operator.konghq.com/v1alpha1";
pub const PLUGINS: &str = "configuration.konghq.com/v1";
pub const GATEWAY: &str = "gateway.networking.k8s.io/v1";

/// A namespace with a ControlPlane `cp`, a DataPlane `dp`, and nothing else.
pub async fn gateway(cluster: &Cluster, prefix: &str, extensions: &[&str]) -> Result<Namespace> {
    let namespace = cluster.namespace(prefix).await?;
    let client = namespace.client();
    dataplane(&client, namespace.name(), "dp").await?;
    control_plane(&client, namespace.name(), "cp", "dp", extensions).await?;
    Ok(namespace)
}

pub async fn dataplane(client: &Client, namespace: &str, name: &str) -> Result {
    apply(client, json!({
        "apiVersion": KONG, "kind": "DataPlane", "metadata": {"namespace": namespace, "name": name},
        "spec": {"deployment": {"podTemplateSpec": {"spec": {"containers": [
            {"name": "proxy", "image": "kong:3.9"},
        ]}}}},
    }))
    .await?;
    let api = api(client, namespace, KONG, "DataPlane");
    let status = json!({"status": {"selector": format!("{namespace}-{name}")}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

pub async fn control_plane(
    client: &Client,
    namespace: &str,
    name: &str,
    dataplane: &str,
    extensions: &[&str],
) -> Result {
    let refs: Vec<Value> = extensions
        .iter()
        .map(|name| json!({"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension", "name": name}))
        .collect();
    apply(client, json!({
        "apiVersion": KONG, "kind": "ControlPlane", "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "dataplane": dataplane,
            "extensions": refs,
            "deployment": {"podTemplateSpec": {"spec": {"containers": [
                {"name": "controller", "image": "kong/kubernetes-ingress-controller:3.4"},
            ]}}},
        },
    }))
    .await?;
    Ok(())
}

pub async fn extension(client: &Client, namespace: &str, name: &str, services: &[&str]) -> Result {
    let names: Vec<Value> = services.iter().map(|name| json!({"name": name})).collect();
    apply(
        client,
        json!({
            "apiVersion": KONG_ALPHA, "kind": "DataPlaneMetricsExtension",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"serviceSelector": {"matchNames": names}, "config": {"latency": true}},
        }),
    )
    .await?;
    Ok(())
}

pub async fn service(
    client: &Client,
    namespace: &str,
    name: &str,
    plugins: Option<&str>,
) -> Result {
    let annotations = plugins.map(|value| json!({"konghq.com/plugins": value}));
    apply(
        client,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": namespace, "name": name, "annotations": annotations},
            "spec": {"ports": [{"port": 80}]},
        }),
    )
    .await?;
    Ok(())
}

/// An HTTPRoute whose one rule goes to all of `services`.
pub async fn route(client: &Client, namespace: &str, name: &str, services: &[&str]) -> Result {
    let backends: Vec<Value> = services
        .iter()
        .map(|name| json!({"name": name, "port": 80}))
        .collect();
    apply(client, json!({
        "apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": {"namespace": namespace, "name": name},
        "spec": {"parentRefs": [{"name": "kong"}], "rules": [{"backendRefs": backends}]},
    }))
    .await?;
    Ok(())
}

pub async fn get(
    client: &Client,
    namespace: &str,
    version: &str,
    kind: &str,
    name: &str,
) -> Result<Value> {
    let object = api(client, namespace, version, kind).get(name).await?;
    Ok(serde_json::to_value(object)?)
}

pub async fn gone(
    client: &Client,
    namespace: &str,
    version: &str,
    kind: &str,
    name: &str,
) -> Result<bool> {
    Ok(api(client, namespace, version, kind)
        .get_opt(name)
        .await?
        .is_none())
}

pub async fn delete(
    client: &Client,
    namespace: &str,
    version: &str,
    kind: &str,
    name: &str,
) -> Result {
    let api = api(client, namespace, version, kind);
    api.delete(name, &kube::api::DeleteParams::default())
        .await?;
    Ok(())
}

/// The annotation `konghq.com/plugins` of a Service.
pub async fn plugins(client: &Client, namespace: &str, service: &str) -> Result<Option<String>> {
    let object = get(client, namespace, "v1", "Service", service).await?;
    let value = object.pointer("/metadata/annotations/konghq.com~1plugins");
    Ok(value.and_then(Value::as_str).map(str::to_owned))
}

/// `status reason` of a condition of an extension.
pub async fn condition(client: &Client, namespace: &str, name: &str, kind: &str) -> Result<String> {
    let object = get(
        client,
        namespace,
        KONG_ALPHA,
        "DataPlaneMetricsExtension",
        name,
    )
    .await?;
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    let found = found.ok_or_else(|| format!("no condition {kind} in {object}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Ok(format!("{} {}", text("status"), text("reason")))
}

/// Fails unless both are equal: for probes that look again.
pub fn equal<T: PartialEq + std::fmt::Debug>(seen: &T, wanted: &T) -> Result {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{seen:?}, not {wanted:?}").into())
}

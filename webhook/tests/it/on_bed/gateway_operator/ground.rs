//! A namespace with Kong in it, and questions about what is there.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tagalong_cluster::{Cluster, Namespace, Seen};
use tagalong_webhook::InjectionSettings;

use super::bed::{cluster, operator_log};
use crate::support::node::{SIDECAR, Tried, has_sidecar, ready};
use crate::support::settings;
use crate::support::webhook::{Webhook, call};

/// Kong, the controller and the operator each wait for the others with pauses of ten seconds, so that one rollout takes most of
/// a minute; a Gateway whose DataPlane the webhook's absence kept from being patched is looked at again every five seconds
/// (`provisionDataPlaneFailRetryAfter`), however long that lasts. On a busy machine all is slow.
pub const TIMEOUT: Duration = Duration::from_secs(240);

/// For how long nothing may happen, and for how long the webhook is away.
pub fn quiet() -> Duration {
    let seconds = std::env::var("TAGALONG_QUIET_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(10))
}

const KONG: &str = "/apis/gateway-operator.konghq.com/v1beta1";
pub const DATAPLANES: (&str, &str) = (KONG, "dataplanes");
pub const CONFIGURATIONS: (&str, &str) = (KONG, "gatewayconfigurations");
const GATEWAY_API: &str = "/apis/gateway.networking.k8s.io/v1";
pub const GATEWAYS: (&str, &str) = (GATEWAY_API, "gateways");
pub const ROUTES: (&str, &str) = (GATEWAY_API, "httproutes");
pub const DEPLOYMENTS: (&str, &str) = ("/apis/apps/v1", "deployments");
pub const AUTOSCALERS: (&str, &str) = ("/apis/autoscaling/v2", "horizontalpodautoscalers");
pub const BUDGETS: (&str, &str) = ("/apis/policy/v1", "poddisruptionbudgets");
pub const SERVICES: (&str, &str) = ("/api/v1", "services");
const PODS: (&str, &str) = ("/api/v1", "pods");

pub struct Ground {
    pub cluster: &'static Cluster,
    pub client: Client,
    pub namespace: Namespace,
}

impl Ground {
    /// `None` where there can be no node.
    pub async fn new(prefix: &str) -> Tried<Option<Self>> {
        let Some(cluster) = cluster().await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            cluster,
            client: cluster.client()?,
            namespace: cluster.namespace(prefix).await?,
        }))
    }

    /// The webhook, for this namespace.
    pub async fn webhook(&self) -> Webhook<'static> {
        let settings = InjectionSettings {
            image: SIDECAR.to_owned(),
            ..settings()
        };
        Webhook::start(self.cluster, &self.namespace, settings).await
    }

    fn path(&self, (prefix, plural): (&str, &str), name: &str) -> String {
        format!(
            "{prefix}/namespaces/{}/{plural}/{name}",
            self.namespace.name()
        )
    }

    pub async fn list(&self, kind: (&str, &str)) -> Vec<Value> {
        let path = self.path(kind, "");
        let path = path.trim_end_matches('/');
        let mut answer = call(&self.client, Method::GET, path, None).await;
        match answer.body["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }

    /// All of this kind that belong to a DataPlane of this name or, where it is generated, of a name that begins so.
    pub async fn of(&self, dataplane: &str, kind: (&str, &str)) -> Vec<Value> {
        let mut all = self.list(kind).await;
        all.retain(|object| {
            let owner = &object["metadata"]["ownerReferences"][0];
            let name = owner["name"].as_str().unwrap_or_default();
            owner["kind"] == "DataPlane" && name.starts_with(dataplane)
        });
        all
    }

    /// The only one of them.
    pub async fn one_of(&self, dataplane: &str, kind: (&str, &str)) -> Result<Value, Seen> {
        let mut all = self.of(dataplane, kind).await;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (_, others) => Err(format!("{others} others of {}", kind.1).into()),
        }
    }

    pub async fn get(&self, kind: (&str, &str), name: &str) -> Value {
        call(&self.client, Method::GET, &self.path(kind, name), None)
            .await
            .body
    }

    pub async fn patch(&self, kind: (&str, &str), name: &str, patch: Value) -> Tried<Value> {
        let path = self.path(kind, name);
        let patched = call(&self.client, Method::PATCH, &path, Some(&patch)).await;
        match patched.status {
            200 => Ok(patched.body),
            status => Err(format!("{status}: {}", patched.body).into()),
        }
    }

    pub async fn create(&self, kind: (&str, &str), object: Value) -> Tried<()> {
        let path = self.path(kind, "");
        let path = path.trim_end_matches('/');
        let created = call(&self.client, Method::POST, path, Some(&object)).await;
        match created.status {
            201 => Ok(()),
            status => Err(format!("{status}: {}", created.body).into()),
        }
    }

    /// Asks for the object to be deleted, and waits until it is gone.
    pub async fn delete(&self, kind: (&str, &str), name: &str) -> Tried<()> {
        let path = self.path(kind, name);
        let deleted = call(&self.client, Method::DELETE, &path, None).await;
        assert!(deleted.status < 300, "{}", deleted.body);
        self.until(&format!("{name} to be gone"), || async {
            let found = call(&self.client, Method::GET, &path, None).await;
            match found.status {
                404 => Ok(()),
                _ => Err(found.body.to_string().into()),
            }
        })
        .await
    }

    /// `count` ready pods of a Deployment and no other, none of them on its way out, all with or all without the sidecar.
    pub async fn pods(
        &self,
        deployment: &Value,
        count: usize,
        with_sidecar: bool,
    ) -> Result<Vec<Value>, Seen> {
        let labels = &deployment["spec"]["selector"]["matchLabels"];
        let selector = "gateway-operator.konghq.com/selector";
        let mut pods = self.list(PODS).await;
        pods.retain(|pod| pod["metadata"]["labels"][selector] == labels[selector]);
        let wanted = |pod: &Value| ready(pod) && has_sidecar(&pod["spec"]) == with_sidecar;
        if pods.len() == count && pods.iter().all(wanted) {
            return Ok(pods);
        }
        let seen: Vec<Value> = pods
            .iter()
            .map(|pod| json!([has_sidecar(&pod["spec"]), pod["status"]["conditions"]]))
            .collect();
        Err(json!(seen).to_string().into())
    }

    /// Port 80 of the Service of type LoadBalancer, from within the cluster.
    pub async fn door(&self, dataplane: &str) -> Tried<SocketAddr> {
        let services = self.of(dataplane, SERVICES).await;
        let ingress = services
            .iter()
            .find(|service| service["spec"]["type"] == "LoadBalancer")
            .ok_or("no ingress Service")?;
        let ip = ingress["spec"]["clusterIP"].as_str().unwrap_or_default();
        Ok(format!("{ip}:80").parse()?)
    }

    /// Waits; what the namespace's events, its pods and the operator had to say is part of the error.
    pub async fn until<T, F, Fut>(&self, what: &str, probe: F) -> Tried<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Seen>>,
    {
        let seen = self.namespace.until_within(TIMEOUT, what, probe).await;
        seen.map_err(|error| format!("{error}\n{}", operator_log()).into())
    }
}

/// Where an object stands: whoever writes it, be it only its status, changes this.
pub fn version(object: &Value) -> &Value {
    &object["metadata"]["resourceVersion"]
}

/// How often a Deployment's pods were replaced.
pub fn revision(deployment: &Value) -> u32 {
    let revision = &deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    let text = revision.as_str().unwrap_or_default();
    text.parse().unwrap_or_default()
}

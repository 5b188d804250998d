//! The webhook as a process beside a real API server, asked about one namespace only.
#![allow(clippy::expect_used, reason = "a test may fail loudly")]

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tagalong_cluster::pki::Authority;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, Namespace, TIMEOUT, until};
use tagalong_ports::Reserved;
use tagalong_webhook::InjectionSettings;
use tempfile::TempDir;

/// The webhook that is asked about DataPlanes.
pub const DATAPLANES: &str = "dataplanes.tagalong.dev";

/// The one that is asked about GatewayConfigurations.
pub const SOURCES: &str = "configurations.tagalong.dev";

/// The webhook's process and its configuration in the cluster. Both are gone when it is dropped.
pub struct Webhook<'a> {
    pub port: Reserved,
    name: String,
    settings: InjectionSettings,
    directory: TempDir,
    process: Option<Process>,
    cluster: &'a Cluster,
}

impl<'a> Webhook<'a> {
    /// Starts the process and tells the API server of it, for objects in `namespace`.
    pub async fn start(
        cluster: &'a Cluster,
        namespace: &Namespace,
        settings: InjectionSettings,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("webhook-ca").expect("an authority");
        authority
            .server(&["127.0.0.1"])
            .and_then(|issued| issued.write(directory.path(), "tls"))
            .expect("a certificate");
        let mut webhook = Self {
            port: cluster.reserve().expect("a port"),
            name: format!("tagalong-{}", namespace.name()),
            settings,
            directory,
            process: None,
            cluster,
        };
        webhook.up().await;
        let client = cluster.client().expect("a client");
        let configuration = webhook.configuration(namespace.name(), &authority.certificate());
        let created = call(&client, Method::POST, CONFIGURATIONS, Some(&configuration)).await;
        assert_eq!(created.status, 201, "{}", created.body);
        webhook.until_asked(&client, namespace.name()).await;
        webhook
    }

    /// Runs the process.
    pub async fn up(&mut self) {
        let mut command = self
            .cluster
            .ground()
            .command(env!("CARGO_BIN_EXE_tagalong-webhook"));
        command
            .arg(format!("--listen={}", self.port.address()))
            .arg(format!("--tls-dir={}", self.directory.path().display()))
            .arg(format!("--sidecar-image={}", self.settings.image))
            .arg(format!("--labels-url={}", self.settings.labels_url))
            .args([
                "--admin-address=127.0.0.1:0",
                "--log=info,tagalong_webhook=debug",
            ]);
        self.process =
            Some(Process::start("webhook", command, self.directory.path()).expect("it starts"));
        // It listens from the start, and answers as soon as it has its certificate.
        until("the webhook to be ready", TIMEOUT, || async {
            let log = self.log();
            if log.contains("answers reviews") {
                Ok(())
            } else {
                Err(log.into())
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends the process, as the kubelet does.
    pub fn down(&mut self) -> Option<std::process::ExitStatus> {
        self.process.take()?.stop(Duration::from_secs(60))
    }

    /// What the API server does with these, such as [`DATAPLANES`], while we are away: `Fail` or `Ignore`. It takes a moment.
    pub async fn set_failure_policy(&self, client: &Client, of: &str, policy: &str) {
        let path = format!("{CONFIGURATIONS}/{}", self.name);
        let mut configuration = call(client, Method::GET, &path, None).await.body;
        let webhooks = configuration["webhooks"].as_array_mut();
        let mut webhooks = webhooks.into_iter().flatten();
        let webhook = webhooks.find(|webhook| webhook["name"] == of);
        webhook.expect("one of that name")["failurePolicy"] = json!(policy);
        let set = call(client, Method::PUT, &path, Some(&configuration)).await;
        assert_eq!(set.status, 200, "{}", set.body);
    }

    /// The name of its configuration in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn log(&self) -> String {
        self.process
            .as_ref()
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    /// The `webhooks.yaml` of the chart, pointed at our process and narrowed to one namespace.
    fn configuration(&self, namespace: &str, ca: &str) -> Value {
        let text = include_str!("../../../../charts/tagalong/files/webhooks.yaml");
        let mut configuration: Value = serde_saphyr::from_str(text).expect("webhooks.yaml");
        configuration["metadata"]["name"] = json!(self.name);
        let webhooks = configuration["webhooks"].as_array_mut().expect("webhooks");
        for webhook in webhooks {
            webhook["clientConfig"] = json!({
                "url": format!("https://{}/mutate", self.port.address()),
                "caBundle": base64(ca),
            });
            webhook["namespaceSelector"] =
                json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        }
        configuration
    }

    /// A new configuration takes a moment until it is known to the part of the API server that uses it.
    async fn until_asked(&self, client: &Client, namespace: &str) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All");
        let mut probe = crate::support::object("helm-chart");
        probe["metadata"]["namespace"] = json!(namespace);
        until("the API server to ask the webhook", TIMEOUT, || async {
            let created = call(client, Method::POST, &path, Some(&probe)).await;
            match crate::support::sidecar(&created.body) {
                Some(_) => Ok(()),
                None => Err(created.body.to_string().into()),
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }
}

impl Drop for Webhook<'_> {
    /// On a runtime of its own: the test's may be the one that is blocked here.
    fn drop(&mut self) {
        let (config, path) = (
            self.cluster.config(),
            format!("{CONFIGURATIONS}/{}", self.name),
        );
        let deletion = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let client = Client::try_from(config).expect("a client");
                call(&client, Method::DELETE, &path, None).await;
            });
        });
        let _ended = deletion.join();
    }
}

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

/// What the API server answered, its warnings apart.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

/// One request, with nothing typed in between.
pub async fn call(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Answered {
    let answered = try_call(client, method, path, body).await;
    answered.expect("an answer")
}

/// The same while the API server may be away.
pub async fn try_call(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answered, kube::Error> {
    let content_type = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(Body::from(body.into_bytes()))
        .expect("a request");
    let response = client.send(request).await?;
    let status = response.status().as_u16();
    let warnings = response.headers().get_all("warning");
    let warnings = warnings
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    let body = response.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answered {
        status,
        body,
        warnings,
    })
}

//! Kong Ingress Controller itself configures the stand-in for Kong; the names it gives must be those of our index.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod objects;
mod readings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tagalong_cluster::binaries::{Tool, ensured, go_module};
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, Namespace, Result};
use tagalong_index::{Index, Key, Manifests, Settings};
use tagalong_kong::Gateway;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

/// Definitions in the versions that this controller was released with.
async fn cluster() -> Result<&'static Cluster> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let cluster = Cluster::shared().await?;
    let install = || async {
        let mut files = Vec::new();
        for (module, directory) in [
            ("sigs.k8s.io/gateway-api", "config/crd/standard"),
            (
                "github.com/kong/kubernetes-configuration",
                "config/crd/ingress-controller",
            ),
        ] {
            let directory = go_module("kic", module)?.join(directory);
            let entries = std::fs::read_dir(&directory).expect("the module has definitions");
            let paths = entries.map(|entry| entry.expect("an entry").path());
            files.extend(paths.filter(|path: &PathBuf| !path.ends_with("kustomization.yaml")));
        }
        cluster.install_crd_files(&files).await
    };
    INSTALLED.get_or_try_init(install).await?;
    Ok(cluster)
}

/// The controller, the stand-in that it configures, and what it reads.
struct Ground {
    kong: Gateway,
    /// None while it is away.
    controller: Option<Process>,
    flags: Vec<String>,
    objects: Vec<Value>,
    namespace: Namespace,
    directory: tempfile::TempDir,
}

impl Ground {
    async fn start(prefix: &str, echo: u16, flags: &[&str]) -> Result<Self> {
        let cluster = cluster().await?;
        let namespace = cluster.namespace(prefix).await?;
        let name = namespace.name();
        let kong = Gateway::start(&tagalong_kong::Settings::default()).expect("a gateway");
        let mut objects = objects::gateway(name, kong.proxy().expect("a proxy").port());
        objects.extend(objects::all(echo));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        cluster
            .kubectl(&["apply", "-n", name, "-f", "-"], &list)
            .await?;

        let mut ground = Self {
            kong,
            controller: None,
            flags: flags.iter().map(ToString::to_string).collect(),
            objects,
            namespace,
            directory: tempfile::tempdir().expect("a directory"),
        };
        ground.control().await?;
        Ok(ground)
    }

    /// Starts the controller.
    async fn control(&mut self) -> Result<()> {
        let (cluster, name) = (cluster().await?, self.namespace.name());
        let mut command = cluster
            .ground()
            .command(ensured(Tool::KongIngressController).await?);
        command
            .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
            .arg(format!(
                "--kong-admin-url=http://{}",
                self.kong.admin().expect("an Admin API")
            ))
            .arg(format!("--publish-service={name}/kong"))
            .arg(format!("--watch-namespace={name}"))
            .args(["--anonymous-reports=false", "--metrics-bind-address=0"])
            .args([
                "--health-probe-bind-address=127.0.0.1:0",
                "--proxy-sync-seconds=0.2",
            ])
            .args(["--init-cache-sync-duration=1s", "--update-status=true"])
            .args(&self.flags)
            .env("POD_NAMESPACE", name)
            .env("POD_NAME", "kic");
        let controller = Process::start(name, command, self.directory.path())?;
        self.controller = Some(controller);
        Ok(())
    }

    /// Ends the controller.
    fn leave(&mut self) {
        let controller = self.controller.take().expect("it is there");
        controller.stop(Duration::from_secs(10));
    }

    /// What the controller pushed, as soon as all routes are in it.
    async fn pushed(&mut self) -> Result<Value> {
        let routes: BTreeSet<String> = self
            .objects
            .iter()
            .filter(|object| object["kind"] == "HTTPRoute" || object["kind"] == "Ingress")
            .map(|object| format!(".{}.", object["metadata"]["name"].as_str().unwrap()))
            .collect();
        let controller = self.controller.as_mut().expect("it is there");
        let (kong, log) = (&self.kong, controller.log().to_owned());
        let pushed = self.namespace.until("all routes to be pushed", || async {
            let document = kong.document();
            let known: Vec<&str> = services(&document)
                .iter()
                .flat_map(|service| service["routes"].as_array().into_iter().flatten())
                .filter_map(|route| route["name"].as_str())
                .collect();
            let missing: Vec<&String> = routes
                .iter()
                .filter(|route| !known.iter().any(|name| name.contains(route.as_str())))
                .collect();
            if missing.is_empty() {
                return Ok(document);
            }
            let log = std::fs::read_to_string(&log)?;
            let end: Vec<&str> = log.lines().rev().take(25).collect();
            Err(format!("without {missing:?}: {known:?}\n{}", end.join("\n")).into())
        });
        let pushed = pushed.await?;
        controller.running()?;
        Ok(pushed)
    }

    /// What tagalong makes of the same objects.
    fn index(&self, settings: Settings) -> Index {
        self.index_without("", settings)
    }

    /// Of all objects but those of this name.
    fn index_without(&self, name: &str, settings: Settings) -> Index {
        let namespace = self.namespace.name();
        let mut objects = self.objects.clone();
        objects.retain(|object| object["metadata"]["name"] != name);
        objects.push(json!({
            "apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "DataPlane", "metadata": {"name": "kong"},
        }));
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let manifests = Manifests::read(objects);
        assert_eq!(manifests.problems, Vec::<String>::new());
        let mut index = Index::new(settings);
        for object in manifests.objects {
            index.apply(object);
        }
        index
    }

    /// Names of Kong's services and of its upstreams, with what each stands for.
    fn table(&self) -> [BTreeMap<String, String>; 2] {
        let namespace = self.namespace.name();
        let index = self.index(Settings::default());
        let table = index
            .snapshot(&Key::new(namespace, "kong"))
            .expect("a table");
        [table.services, table.upstreams].map(|names| {
            let entries = names.0.iter();
            entries
                .map(|(name, service)| (name.clone(), service.to_string()))
                .collect()
        })
    }

    /// Each name that the controller gave, with the Services that its requests can get to, and each upstream with the Services
    /// whose addresses are its targets. Of a real Kong it is known that only the default and consistent hashing keep a target
    /// of weight 0 out of everything.
    fn truth(&self, document: &Value) -> [BTreeMap<String, BTreeSet<String>>; 2] {
        let mut addresses = objects::services();
        addresses.push(("echo", "localhost".to_owned()));
        let (mut upstreams, mut behind) = (BTreeMap::new(), BTreeMap::new());
        for upstream in document["upstreams"].as_array().expect("upstreams") {
            let services = |weightless: bool| -> BTreeSet<String> {
                let targets = upstream["targets"].as_array().into_iter().flatten();
                let counted = targets.filter(|target| weightless || target["weight"] != 0);
                let service = |target: &Value| {
                    let target = target["target"].as_str().unwrap();
                    let leads =
                        |(_, address): &&(_, String)| target.starts_with(&format!("{address}:"));
                    let (name, _) = addresses
                        .iter()
                        .find(leads)
                        .unwrap_or_else(|| panic!("whose is {target}?"));
                    format!("{}/{name}", self.namespace.name())
                };
                counted.map(service).collect()
            };
            let name = upstream["name"].as_str().unwrap();
            let keeps_out = match upstream["algorithm"].as_str() {
                None | Some("round-robin" | "consistent-hashing") => true,
                Some(_) => false,
            };
            upstreams.insert(name.to_owned(), services(true));
            behind.insert(name, services(!keeps_out));
        }
        let services = services(document).iter().map(|service| {
            let host = service["host"].as_str().unwrap();
            (
                service["name"].as_str().unwrap().to_owned(),
                behind.get(host).cloned().unwrap_or_default(),
            )
        });
        [services.collect(), upstreams]
    }
}

fn services(document: &Value) -> &[Value] {
    document["services"].as_array().map_or(&[], Vec::as_slice)
}

/// Answers every request with `hello`, and returns its port.
async fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
                let _written = stream.write_all(answer).await;
            });
        }
    });
    port
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Names, plugins and paths are understood by all three: controller, stand-in and index.
async fn agree(ground: &mut Ground) -> Result<Value> {
    let document = ground.pushed().await?;
    let (said, true_of) = (ground.table(), ground.truth(&document));
    for (said, true_of) in said.iter().zip(&true_of) {
        assert!(true_of.len() >= 6, "{true_of:#?}");
        for (name, services) in true_of {
            // A name that stands for several Services must be in no table.
            let only = services.first().filter(|_| services.len() == 1);
            assert_eq!(
                said.get(name),
                only,
                "{name} leads to {services:?}; the table: {said:#?}"
            );
        }
    }
    // What the route `changed` asks for, and what answers where nobody granted a reference; they have no part in names.
    let known = ["request-transformer", "request-termination"]
        .map(|plugin| format!("plugin without effect: {plugin}"));
    let unexpected = ground.kong.unexpected();
    let unknown: Vec<_> = unexpected
        .iter()
        .filter(|one| !known.contains(one))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let has = |algorithm: &str| document["upstreams"].to_string().contains(algorithm);
    assert!(has("least-connections"), "a policy that is not in Kong");
    Ok(document)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_names_what_the_controller_names_and_a_request_is_counted_under_it() -> Result<()>
{
    let echo = backend().await;
    let mut ground = Ground::start("kic", echo, &[]).await?;
    agree(&mut ground).await?;

    let answer = get(ground.kong.proxy().unwrap(), "/echo/hello").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
        "{answer}"
    );
    let metrics = String::from_utf8(ground.kong.metrics().await).unwrap();
    let service = format!("service=\"httproute.{}.echo.0\"", ground.namespace.name());
    let counted = |line: &&str| {
        line.starts_with("kong_upstream_latency_ms_count{") && line.contains(&service)
    };
    let line = metrics
        .lines()
        .find(counted)
        .unwrap_or_else(|| panic!("no {service} in {metrics}"));
    assert!(line.ends_with("} 1"), "{line}");
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_names_what_the_controller_names_when_routes_share_services() -> Result<()> {
    let flags = ["--feature-gates=CombinedServicesFromDifferentHTTPRoutes=true"];
    let mut ground = Ground::start("combined", backend().await, &flags).await?;
    let document = agree(&mut ground).await?;
    let shared = |service: &Value| {
        let routes = service["routes"].to_string();
        routes.contains(".shared-a.") && routes.contains(".shared-b.")
    };
    assert!(services(&document).iter().any(shared), "{document:#}");
    ground.namespace.delete().await
}

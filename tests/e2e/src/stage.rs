//! The cluster before the installation: Kong's operator runs, and nothing of ours is there.

use std::future::Future;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tagalong_cluster::process::Process;
use tagalong_cluster::{Cluster, LoadBalancers, Seen, kong, until};
use tempfile::TempDir;

use crate::{Tried, images};

/// Kong, its controller and its operator each wait for the others with pauses of ten seconds; on a busy machine all is slow.
pub const TIMEOUT: Duration = Duration::from_secs(240);

/// A cluster with all images, and Kong Gateway Operator. It ends with the test.
pub struct Stage {
    /// The cluster.
    pub cluster: &'static Cluster,
    client: Client,
    operator: Mutex<Option<Process>>,
    logs: TempDir,
    _addresses: LoadBalancers,
}

impl Stage {
    /// Sets it; `None`, said loudly, where this user cannot have a node.
    ///
    /// # Errors
    ///
    /// When something cannot be built, loaded or started.
    pub async fn set() -> Tried<Option<Self>> {
        match Cluster::shared_with_node().await? {
            Some(cluster) => Ok(Some(Self::on(cluster).await?)),
            None => Ok(None),
        }
    }

    /// Sets it in a cluster that no other test has.
    ///
    /// # Errors
    ///
    /// As with [`Self::set`].
    pub async fn set_apart() -> Tried<Option<Self>> {
        match Cluster::own_with_node().await? {
            Some(cluster) => Ok(Some(Self::on(cluster).await?)),
            None => Ok(None),
        }
    }

    async fn on(cluster: &'static Cluster) -> Tried<Self> {
        cluster.install_kong_definitions().await?;
        images::load(cluster).await?;
        cluster
            .kubectl(&["create", "namespace", kong::NAMESPACE], "")
            .await?;
        let logs = tempfile::tempdir()?;
        Ok(Self {
            cluster,
            client: cluster.client()?,
            operator: Mutex::new(Some(cluster.start_gateway_operator(logs.path()).await?)),
            logs,
            _addresses: cluster.load_balancers()?,
        })
    }

    /// Ends Kong's operator and starts it again; it looks at everything anew.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart_kongs_operator(&self) -> Tried<()> {
        drop(self.operator.lock().take());
        let started = self.cluster.start_gateway_operator(self.logs.path());
        *self.operator.lock() = Some(started.await?);
        Ok(())
    }

    /// An object or a list, as the API server has it.
    ///
    /// # Errors
    ///
    /// When it has none.
    pub async fn get(&self, path: &str) -> Tried<Value> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(self.client.request(request).await?)
    }

    /// The items of a list; none of a kind that the cluster does not have.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.map(|mut list| list["items"].take());
        match list {
            Ok(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Waits for [`TIMEOUT`]; a failure tells what the cluster looks like.
    ///
    /// # Errors
    ///
    /// When the deadline passes.
    pub async fn until<T, F, Fut>(&self, what: &str, probe: F) -> Tried<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Seen>>,
    {
        let found = until(what, TIMEOUT, probe).await;
        self.explained(found.map_err(Into::into)).await
    }

    /// Adds to an error what the cluster looks like.
    ///
    /// # Errors
    ///
    /// When it was one.
    pub async fn explained<T>(&self, result: Tried<T>) -> Tried<T> {
        match result {
            Ok(found) => Ok(found),
            Err(error) => Err(format!("{error}\n{}", self.account().await).into()),
        }
    }

    /// Pods, events and the ends of logs, for whoever reads the output of a failed test.
    pub async fn account(&self) -> String {
        let said = self.operator.lock().as_ref().map(Process::log_tail);
        let mut account = format!("Gateway Operator: {}\n", said.unwrap_or_default());
        let ours = format!("--namespace={}", crate::helm::NAMESPACE);
        let component = |name| format!("app.kubernetes.io/component={name}");
        let (operator, webhook) = (component("operator"), component("webhook"));
        for words in [
            vec!["get", "pods,hpa,dataplanes", "-A", "-o", "wide"],
            vec!["get", "dataplanemetricsextensions", "-A", "-o", "yaml"],
            vec!["get", "events", "-A", "--sort-by=.lastTimestamp"],
            vec!["logs", &ours, "-l", &operator, "--tail=20"],
            vec!["logs", &ours, "-l", &webhook, "--tail=20"],
        ] {
            let said = match self.cluster.kubectl(&words, "").await {
                Ok(said) => said,
                Err(error) => error.to_string(),
            };
            account.push_str(&format!("--- kubectl {}\n{said}\n", words.join(" ")));
        }
        account
    }
}

/// Whether a condition of an object is true.
#[must_use]
pub fn condition(object: &Value, name: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == name && one["status"] == "True")
    })
}

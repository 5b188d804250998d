//! The release, by Helm and kubectl.

use super::world::HOME;
use serde_json::Value;
use tagalong_chart::{Result, directory, helm};
use tagalong_cluster::Cluster;

/// The release `tagalong`.
pub struct Release {
    cluster: &'static Cluster,
}

impl Release {
    pub fn new(cluster: &'static Cluster) -> Self {
        Self { cluster }
    }

    /// `helm VERB tagalong CHART`; returns what it printed, NOTES among it.
    pub async fn helm(&self, verb: &str, values: &Value) -> Result<String> {
        self.helm_with(verb, values, &[]).await
    }

    pub async fn helm_with(&self, verb: &str, values: &Value, flags: &[&str]) -> Result<String> {
        let values = helm::values_file(values)?;
        let chart = directory().display().to_string();
        let file = values.path().display().to_string();
        let mut arguments = vec![verb, "tagalong", &chart, "--values", &file];
        arguments.extend(flags);
        self.run(&arguments).await
    }

    /// Without its hooks, which take a node.
    pub async fn uninstall(&self) -> Result<String> {
        self.run(&["uninstall", "tagalong", "--no-hooks"]).await
    }

    pub async fn manifest(&self) -> Result<Vec<Value>> {
        helm::parse(&self.run(&["get", "manifest", "tagalong"]).await?)
    }

    /// The hooks of one event, of all if it is empty.
    pub async fn hooks(&self, event: &str) -> Result<Vec<Value>> {
        let mut hooks = helm::parse(&self.run(&["get", "hooks", "tagalong"]).await?)?;
        hooks.retain(|hook| {
            let events = hook["metadata"]["annotations"]["helm.sh/hook"].as_str();
            event.is_empty() || events == Some(event)
        });
        Ok(hooks)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = helm::command(Some(self.cluster.kubeconfig()))?;
        command.arg("--namespace").arg(HOME).args(arguments);
        tokio::task::spawn_blocking(move || helm::run(&mut command)).await?
    }

    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        Ok(self.cluster.kubectl(arguments, stdin).await?)
    }

    pub async fn apply(&self, object: &Value) -> Result {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(&arguments, &object.to_string()).await?;
        Ok(())
    }

    pub async fn delete(&self, object: &Value) -> Result {
        self.kubectl(&["delete", "-f", "-"], &object.to_string())
            .await?;
        Ok(())
    }

    /// Part of an object of the release's namespace, by JSONPath.
    pub async fn get(&self, what: &str, path: &str) -> Result<String> {
        let path = format!("-ojsonpath={path}");
        self.kubectl(&["get", what, "--namespace", HOME, &path], "")
            .await
    }

    pub async fn gone(&self, what: &str) -> Result<bool> {
        let arguments = [
            "get",
            what,
            "--namespace",
            HOME,
            "--ignore-not-found",
            "-oname",
        ];
        Ok(self.kubectl(&arguments, "").await?.is_empty())
    }
}

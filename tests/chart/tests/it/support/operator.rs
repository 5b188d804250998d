//! The operator in this process, as the chart would run it.

use super::release::Release;
use super::world::HOME;
use clap::Parser as _;
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tagalong_chart::{Result, flags};
use tagalong_cluster::Cluster;
use tagalong_operator::args::{Cli, OperateArgs};
use tagalong_operator::metrics::Metrics;
use tagalong_operator::operate::cluster;
use tagalong_runtime::Readiness;
use tagalong_runtime::drain::{self, Trigger};

/// What the environment of a Deployment's container comes to; only the address is of this machine.
pub async fn args(release: &Release, deployment: &str) -> Result<OperateArgs> {
    let path = "{.spec.template.spec.containers[0].env}";
    let env: Value = serde_json::from_str(
        &release
            .get(&format!("deployment/{deployment}"), path)
            .await?,
    )?;
    let mut flags = flags::of(&env, |field| match field {
        "metadata.namespace" => HOME,
        _ => "a-pod",
    })?;
    flags.insert(0, "tagalong-operator".to_owned());
    flags.push("--push-address=127.0.0.1:0".to_owned());
    Ok(Cli::try_parse_from(flags)?.operate)
}

/// A client with no permission but a ServiceAccount's.
pub async fn client_of(cluster: &Cluster, account: &str) -> Result<Client> {
    let token = cluster
        .kubectl(
            &[
                "create",
                "token",
                account,
                "--namespace",
                HOME,
                "--duration=1h",
            ],
            "",
        )
        .await?;
    let mut config = cluster.config();
    config.auth_info = serde_json::from_value(json!({"token": token.trim()}))?;
    Ok(Client::try_from(config)?)
}

pub struct Operator {
    trigger: Trigger,
    _operator: cluster::Operator,
}

impl Operator {
    pub async fn start(test: &Cluster, args: OperateArgs) -> Result<Self> {
        let client = client_of(test, "tagalong-operator").await?;
        let (readiness, (trigger, drain)) = (Readiness::default(), drain::channel());
        let started = cluster::start(client, &args, Metrics::default(), &readiness, &drain);
        Ok(Self {
            _operator: started.await?,
            trigger,
        })
    }

    /// As SIGTERM does.
    pub async fn stop(self) -> Result {
        let drained = self.trigger.drain(Duration::from_secs(60)).await;
        if drained {
            Ok(())
        } else {
            Err("it did not drain".into())
        }
    }
}

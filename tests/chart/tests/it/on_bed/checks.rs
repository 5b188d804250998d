//! What Helm and Prometheus have to say of the chart's files.

use serde_json::Value;
use tagalong_chart::{Result, directory, file, helm};
use tagalong_cluster::binaries::{Tool, ensure};

#[test]
fn helm_finds_nothing_to_complain_of() -> Result {
    let mut lint = helm::command(None)?;
    lint.args(["lint", "--strict", "--kube-version", helm::KUBERNETES]);
    helm::run(lint.arg(directory()))?;
    Ok(())
}

#[test]
fn prometheus_takes_the_alerts() -> Result {
    let rules: Value = serde_saphyr::from_str(&file("files/alerts.yaml")?)?;
    let groups = serde_json::json!({"groups": [{"name": "tagalong", "rules": rules}]});
    let groups = helm::values_file(&groups)?;
    let mut check = std::process::Command::new(ensure(Tool::Promtool)?);
    helm::run(check.args(["check", "rules"]).arg(groups.path()))?;
    Ok(())
}

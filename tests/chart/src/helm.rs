//! Runs Helm as a process.

use crate::{Result, directory};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use tagalong_cluster::binaries::{Tool, ensure};

/// The version that templates are rendered for where no cluster is asked: that of the test bed.
pub const KUBERNETES: &str = "1.36.3";

/// Helm with nothing of this user's: no configuration, no cluster unless one is named.
///
/// # Errors
///
/// When there is no Helm.
pub fn command(kubeconfig: Option<&Path>) -> Result<Command> {
    let mut command = Command::new(ensure(Tool::Helm)?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HELM_") {
            command.env_remove(name);
        }
    }
    command.env("HELM_PLUGINS", "/nonexistent");
    command.env(
        "KUBECONFIG",
        kubeconfig.unwrap_or_else(|| Path::new("/nonexistent")),
    );
    Ok(command)
}

/// What the command printed.
///
/// # Errors
///
/// When it fails: what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    Err(format!("{said}{printed}").into())
}

/// The text that Helm renders with these values, hooks and all. The release is `tagalong` in `tagalong-system`.
///
/// # Errors
///
/// When Helm refuses.
pub fn text(values: &Value) -> Result<String> {
    text_for(KUBERNETES, values)
}

/// The same for one version of Kubernetes.
///
/// # Errors
///
/// When Helm refuses.
pub fn text_for(kubernetes: &str, values: &Value) -> Result<String> {
    let file = values_file(values)?;
    let mut command = command(None)?;
    command
        .args(["template", "tagalong"])
        .arg(directory())
        .args(["--namespace=tagalong-system", "--kube-version", kubernetes])
        .arg("--values")
        .arg(file.path());
    run(&mut command)
}

/// The objects that Helm renders.
///
/// # Errors
///
/// When Helm refuses, or what it renders is no YAML.
pub fn objects(values: &Value) -> Result<Vec<Value>> {
    parse(&text(values)?)
}

/// The objects in a YAML stream.
///
/// # Errors
///
/// When it is no YAML.
pub fn parse(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(all.into_iter().filter(|object| !object.is_null()).collect())
}

/// Values as a file; JSON is YAML.
///
/// # Errors
///
/// When it cannot be written.
pub fn values_file(values: &Value) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(values.to_string().as_bytes())?;
    Ok(file)
}

/// Values that ask for everything there is.
#[must_use]
pub fn everything() -> Value {
    let on = json!({"enabled": true});
    json!({
        "certificates": {"source": "cert-manager"}, "crds": on, "serviceMonitor": on, "podMonitor": on,
        "prometheusRule": on, "dashboard": on,
        "networkPolicy": {"enabled": true, "scrapers": [{"podSelector": {}}], "customMetricsFrom": [{"podSelector": {}}]},
        "customMetrics": on,
    })
}

/// The object of this kind and name.
///
/// # Errors
///
/// When it is not among them.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .ok_or_else(|| format!("no {kind} {name}").into())
}

/// The value of a variable of a Deployment's first container.
///
/// # Errors
///
/// When the Deployment or the variable is not there.
pub fn env<'a>(objects: &'a [Value], deployment: &str, name: &str) -> Result<&'a str> {
    let deployment = find(objects, "Deployment", deployment)?;
    let env = deployment.pointer("/spec/template/spec/containers/0/env");
    let env = env.and_then(Value::as_array).ok_or("no env")?;
    let found = env.iter().find(|variable| variable["name"] == name);
    Ok(found
        .and_then(|variable| variable["value"].as_str())
        .ok_or(name)?)
}

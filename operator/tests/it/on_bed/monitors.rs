//! The ServiceMonitors that Kong has published, as a real Prometheus scrapes by them: by HTTP, and by HTTPS as those for
//! Gateway Operator 1.2 to 1.4 do. Both ask the port called `https`, which is one with the metrics port.

use crate::support;

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use support::pods::{Host, Pod, tell};
use support::prometheus::{Server, operator_with, prometheus};
use support::{Result, equal};
use tagalong_cluster::until;

const NAME: &str = "tagalong-operator.kong-system.svc";

/// Puts a certificate where the operator follows it, and the authority where Prometheus does.
fn issue(directory: &Path) -> Result {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    std::fs::write(directory.join("ca.crt"), made.cert.pem())?;
    std::fs::write(directory.join("tls.crt"), made.cert.pem())?;
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem())?;
    Ok(())
}

/// The samples of Kong that a job has now; an error if its target is down.
async fn samples(prometheus: &Server, job: &str) -> Result<usize> {
    let up = prometheus
        .query(&format!("up{{job=\"{job}\"}}"), None)
        .await?;
    let up: Vec<&Value> = up.iter().map(|one| &one["value"][1]).collect();
    equal(&up, &vec![&Value::from("1")])?;
    let query = format!("{{job=\"{job}\",__name__=~\"kong_.+\"}}");
    Ok(prometheus.query(&query, None).await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_published_monitors_find_the_metrics() -> Result {
    let host = Host::start(230, Pod::new("kong-1")).await?;
    let manifests = tempfile::tempdir()?;
    tell(manifests.path(), &[(host.pod(), host.address)])?;
    let (tls, logs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    issue(tls.path())?;
    let tls_dir = format!("--tls-dir={}", tls.path().display());
    let operator = operator_with(manifests.path(), logs.path(), &[&tls_dir]).await?;
    let token = logs.path().join("token");
    std::fs::write(&token, "a service account's token")?;
    let job = |name: &str, scheme: &str, tls: &str| {
        format!(
            "- job_name: {name}\n  scheme: {scheme}\n  {tls}\n  authorization: {{credentials_file: '{}'}}\n  \
             static_configs: [{{targets: ['{}']}}]\n",
            token.display(),
            operator.address
        )
    };
    let checked = format!(
        "tls_config: {{ca_file: '{}', server_name: {NAME}}}",
        tls.path().join("ca.crt").display()
    );
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}{}{}",
        job("published", "http", ""),
        job("older", "https", "tls_config: {insecure_skip_verify: true}"),
        job("checked", "https", &checked),
    );
    let prometheus = &prometheus(&configuration, logs.path()).await?;
    let found = || async move {
        for job in ["published", "older", "checked"] {
            equal(&samples(prometheus, job).await?, &5)?;
        }
        Ok(())
    };
    until("samples by each", Duration::from_secs(60), found).await?;

    // Another certificate by another authority: whoever checks it cannot be satisfied by the old one.
    issue(tls.path())?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    until("samples after the renewal", Duration::from_secs(60), found).await?;
    Ok(())
}

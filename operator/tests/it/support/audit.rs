//! What the operator asked of the API server, as the API server itself wrote it down.

use super::{HOME, Result};
use serde_json::Value;
use tagalong_cluster::{Cluster, TIMEOUT, until};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub group: String,
    /// With the subresource, as rules have it: `pods/status`.
    pub resource: String,
    pub verb: String,
    pub name: String,
}

impl Asked {
    /// Whether it may have changed something, apart from the claim that the operator has to renew.
    pub fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && self.resource != "leases"
    }
}

/// Waits until the operator, which may write by now, has looked at what it keeps in Secrets; `last` is the one that it
/// reads last.
pub async fn secrets_looked_at(cluster: &Cluster, last: &str) -> Result {
    for name in ["tagalong-ca", last] {
        let reads = || -> Result<usize> {
            let asked = asked(cluster)?.into_iter();
            let reads = asked.filter(|one| one.resource == "secrets" && one.verb == "get");
            Ok(reads.filter(|one| one.name == name).count())
        };
        let before = reads()?;
        let looked = until("another look at the Secrets", TIMEOUT, || async {
            if reads()? > before {
                return Ok(());
            }
            Err("not yet".into())
        });
        looked.await?;
    }
    Ok(())
}

/// All requests of the operator's account for objects, oldest first.
pub fn asked(cluster: &Cluster) -> Result<Vec<Asked>> {
    let log = cluster.audit_log().ok_or("the cluster is not ours")?;
    let text = std::fs::read_to_string(log)?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _half)| whole);
    let user = format!("system:serviceaccount:{HOME}:{}", super::NAME);
    let mut asked = Vec::new();
    for line in whole.lines() {
        let event: Value = serde_json::from_str(line)?;
        let object = &event["objectRef"];
        if event["user"]["username"] != user.as_str() || object.is_null() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (resource, sub) = (text(&object["resource"]), text(&object["subresource"]));
        let resource = if sub.is_empty() {
            resource
        } else {
            format!("{resource}/{sub}")
        };
        asked.push(Asked {
            group: text(&object["apiGroup"]),
            resource,
            verb: text(&event["verb"]),
            name: text(&object["name"]),
        });
    }
    Ok(asked)
}

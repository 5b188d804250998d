//! The certificate authority's rotation, with days that pass in no time: who has only the old bundle, or already the new
//! one, trusts whatever certificate is served meanwhile.

use crate::support;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::audit::secrets_looked_at;
use support::replica::Replica;
use support::sidecar::{Sidecar, pod, token, trust};
use support::{Definition, HOME, Result, cluster, equal, extension, gateway, operator_config};
use tagalong_cluster::{Cluster, TIMEOUT, until};
use tagalong_operator::certificates::authority::{Authority, Lifetimes};

const DAY: i64 = 24 * 3600;
const AUTHORITY: &str = "tagalong-ca";
const SERVING: &str = "tagalong-operator-tls";

#[tokio::test]
async fn a_rotation_is_noticed_by_nobody() -> Result {
    let cluster = &cluster(Definition::Ours).await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client()?, HOME);
    // An authority in the last third of its two years.
    let mut authority = Authority::default();
    let made = Timestamp::now().as_second() - 500 * DAY;
    authority.tick(made, &Lifetimes::default())?;
    let old = authority.bundle();
    let kept = json!({"authority.json": serde_json::to_string(&authority)?, "ca.crt": old});
    let kept = json!({"metadata": {"name": AUTHORITY}, "stringData": kept});
    secrets
        .create(&PostParams::default(), &serde_json::from_value(kept)?)
        .await?;

    // The next one is made and trusted, and signs nothing yet, however often one looks.
    let replica = Replica::start(cluster, "makes").await?;
    let both = until("the next authority", TIMEOUT, || async {
        let bundle = text(&secrets, AUTHORITY, "ca.crt").await?;
        let more = bundle.strip_prefix(old.as_str()).unwrap_or_default();
        if more.contains("BEGIN CERTIFICATE") {
            Ok(bundle)
        } else {
            Err("not yet".into())
        }
    })
    .await?;
    let new = both[old.len()..].to_owned();
    let namespace = gateway(cluster, "rotation", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let bound = Some(("proxy", uid.as_str()));
    let token = token(&client, name, tagalong_wire::contract::AUDIENCE, bound).await?;
    let sidecars_trust = async |bundle: &str| -> Result {
        let told = namespace.until("the sidecars to be told", || async {
            equal(&trust(&namespace).await?.as_str(), &bundle)?;
            Ok(())
        });
        Ok(told.await?)
    };
    let serves = async |replica: &Replica, bundle: &str| -> Result {
        let served = namespace.until("the stream", || async {
            Ok(Sidecar::open(replica.push, bundle, &token).await?)
        });
        served.await?;
        Ok(())
    };
    sidecars_trust(&both).await?;
    secret_has(&secrets, SERVING, "ca.crt", &both).await?;
    assert_eq!(replica.stop().await?, None);
    let replica = Replica::start(cluster, "looks").await?;
    let leads = until("the lease", TIMEOUT, || async {
        equal(&replica.leads(), &true)?;
        Ok(())
    });
    leads.await?;
    secrets_looked_at(cluster, SERVING).await?;
    for bundle in [&old, &both] {
        serves(&replica, bundle).await?;
    }
    assert_eq!(text(&secrets, AUTHORITY, "ca.crt").await?, both);
    assert_eq!(replica.stop().await?, None);

    // Two days later it signs, and the old one is still trusted.
    edit(&secrets, |kept| {
        kept["next"]["made"] = json!(kept["next"]["made"].as_i64().unwrap_or_default() - 2 * DAY);
    })
    .await?;
    let replica = Replica::start(cluster, "signs").await?;
    for bundle in [&new, &both] {
        serves(&replica, bundle).await?;
    }
    let refused = Sidecar::open(replica.push, &old, &token).await;
    assert!(refused.is_err(), "the old one signs no more");
    assert_eq!(text(&secrets, AUTHORITY, "ca.crt").await?, both);
    sidecars_trust(&both).await?;
    assert_eq!(replica.stop().await?, None);

    // Another two days later the old one is forgotten.
    edit(&secrets, |kept| {
        kept["since"] = json!(kept["since"].as_i64().unwrap_or_default() - 2 * DAY);
    })
    .await?;
    let replica = Replica::start(cluster, "forgets").await?;
    secret_has(&secrets, AUTHORITY, "ca.crt", &new).await?;
    sidecars_trust(&new).await?;
    secret_has(&secrets, SERVING, "ca.crt", &new).await?;
    for bundle in [&new, &both] {
        serves(&replica, bundle).await?;
    }
    assert_eq!(replica.stop().await?, None);
    what_is_served_is_made_anew(cluster, &secrets).await
}

/// Whenever it is time, and whenever it has to be for another name.
async fn what_is_served_is_made_anew(cluster: &Cluster, secrets: &Api<Secret>) -> Result {
    let before = text(secrets, SERVING, "tls.crt").await?;
    let past = json!({"metadata": {"annotations": {"tagalong.dev/renew-at": "1"}}});
    secrets
        .patch(SERVING, &PatchParams::default(), &Patch::Merge(past))
        .await?;
    let replica = Replica::start(cluster, "renews").await?;
    let renewed = another(secrets, &before).await?;
    assert_eq!(replica.stop().await?, None);
    let names = "--push-name=tagalong-operator.tagalong-system.svc,other.example.com";
    let config = operator_config(cluster).await?;
    let replica = Replica::with(config, "renames", &[names]).await?;
    another(secrets, &renewed).await?;
    assert_eq!(replica.stop().await?, None);
    Ok(())
}

async fn another(secrets: &Api<Secret>, than: &str) -> Result<String> {
    let found = until("another certificate", TIMEOUT, || async {
        let certificate = text(secrets, SERVING, "tls.crt").await?;
        if certificate == than {
            return Err("the same".into());
        }
        Ok(certificate)
    });
    Ok(found.await?)
}

async fn text(secrets: &Api<Secret>, name: &str, key: &str) -> Result<String> {
    let data = secrets.get(name).await?.data.unwrap_or_default();
    let bytes = data.get(key).ok_or_else(|| format!("no {key}"))?;
    Ok(String::from_utf8(bytes.0.clone())?)
}

async fn secret_has(secrets: &Api<Secret>, name: &str, key: &str, wanted: &str) -> Result {
    let waits = until(name, TIMEOUT, || async {
        equal(&text(secrets, name, key).await?.as_str(), &wanted)?;
        Ok(())
    });
    Ok(waits.await?)
}

/// Changes what is kept of the authority.
async fn edit(secrets: &Api<Secret>, change: impl FnOnce(&mut Value)) -> Result {
    let mut kept: Value = serde_json::from_str(&text(secrets, AUTHORITY, "authority.json").await?)?;
    change(&mut kept);
    let patch = Patch::Merge(json!({"stringData": {"authority.json": kept.to_string()}}));
    secrets
        .patch(AUTHORITY, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

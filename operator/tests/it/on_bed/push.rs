//! Who gets which labels, and until when.

use crate::support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use kube::api::Patch;
use serde_json::{Value, json};
use support::sidecar::{Sidecar, ask, ask_and_not_read, delete_pod, pod, status, token, trust};
use support::{KONG, Result, api, dataplane, delete, extension, gateway, operator, route, service};
use tagalong_operator::metrics;

const AUDIENCE: &str = tagalong_wire::contract::AUDIENCE;

#[tokio::test]
async fn a_pod_gets_its_table_and_every_change_of_it() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "labels", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "echo", None).await?;
    extension(&client, name, "x", &["echo"]).await?;
    route(&client, name, "first", &["echo"]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let (trust, token) = (
        trust(&namespace).await?,
        token(&client, name, AUDIENCE, Some(("proxy", &uid))).await?,
    );
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(operator.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    let (echo, kong) = (format!("{name}/echo"), |route: &str| {
        format!("httproute.{name}.{route}.0")
    });
    sidecar.until(&kong("first"), Some(&echo)).await?;
    route(&client, name, "second", &["echo"]).await?;
    sidecar.until(&kong("second"), Some(&echo)).await?;
    delete(&client, name, support::GATEWAY, "HTTPRoute", "first").await?;
    sidecar.until(&kong("first"), None).await?;
    assert!(
        sidecar
            .table
            .entries()
            .services
            .0
            .contains_key(&kong("second"))
    );
    Ok(())
}

/// One that does not read is dropped, and counted, whatever waits for it; its next stream begins with everything.
#[tokio::test]
async fn who_never_reads_is_dropped_and_starts_anew() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "unread", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    service(&client, name, "echo", None).await?;
    extension(&client, name, "x", &["echo"]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let (trust, token) = (
        trust(&namespace).await?,
        token(&client, name, AUDIENCE, Some(("proxy", &uid))).await?,
    );
    let open = namespace.until("the stream", || async {
        let answer = ask_and_not_read(operator.push, &trust, &token).await?;
        support::equal(&answer.status().as_u16(), &200)?;
        Ok(answer)
    });
    let unread = open.await?;
    let slow = metrics::Reason { reason: "slow" };
    let dropped = || operator.metrics.push.ended.get_or_create(&slow).get();
    assert_eq!(dropped(), 0);
    // More than may wait for one that does not read.
    for route_name in 0..10 {
        route(&client, name, &format!("r{route_name}"), &["echo"]).await?;
    }
    let counted = namespace.until("the reader to be given up", || async {
        support::equal(&dropped(), &1)?;
        Ok(())
    });
    counted.await?;
    drop(unread);
    let mut sidecar = Sidecar::open(operator.push, &trust, &token).await?;
    sidecar
        .until(
            &format!("httproute.{name}.r9.0"),
            Some(&format!("{name}/echo")),
        )
        .await
}

#[tokio::test]
async fn nobody_else_gets_any() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "strangers", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    let trust = trust(&namespace).await?;
    let ours = pod(&client, name, "ours", "dp").await?;
    let stranger = pod(&client, name, "stranger", "no-such-dataplane").await?;
    let good = token(&client, name, AUDIENCE, Some(("ours", &ours))).await?;
    namespace
        .until("the pod to be known", || async {
            let status = status(operator.push, &trust, Some(&good)).await?;
            support::equal(&status.as_u16(), &200)?;
            Ok(())
        })
        .await?;
    for (who, token, refused) in [
        ("nobody", None, 401),
        ("junk", Some("junk".to_owned()), 401),
        (
            "another audience",
            Some(token(&client, name, "other", Some(("ours", &ours))).await?),
            401,
        ),
        (
            "an account without a pod",
            Some(token(&client, name, AUDIENCE, None).await?),
            403,
        ),
        (
            "a pod of no DataPlane",
            Some(token(&client, name, AUDIENCE, Some(("stranger", &stranger))).await?),
            403,
        ),
        ("a good token, tampered with", Some(format!("{good}x")), 401),
    ] {
        assert_eq!(
            status(operator.push, &trust, token.as_deref())
                .await?
                .as_u16(),
            refused,
            "{who}"
        );
    }
    Ok(())
}

/// Kubernetes makes no token that lives for less than ten minutes: the test signs some, as the API server does.
#[tokio::test]
async fn a_token_is_good_until_it_expires() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "expires", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    let trust = trust(&namespace).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let made = claims(&token(&client, name, AUDIENCE, Some(("proxy", &uid))).await?)?;
    let lives = |seconds: i64| -> Result<String> {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = made.clone();
        claims["exp"] = json!(now + seconds);
        for since in ["iat", "nbf"] {
            claims[since] = json!(now - 2 * 3600);
        }
        Ok(cluster.signed(&claims)?.ok_or("the cluster is not ours")?)
    };
    let is = async |token: &str, wanted: u16| -> Result {
        let waits = namespace.until("the answer", || async {
            let status = status(operator.push, &trust, Some(token)).await?;
            support::equal(&status.as_u16(), &wanted)?;
            Ok(())
        });
        Ok(waits.await?)
    };
    is(&lives(600)?, 200).await?;
    let expired = ask(operator.push, &trust, Some(&lives(-3600)?)).await?;
    assert_eq!(expired.status().as_u16(), 401);
    let why = expired.into_body().collect().await?.to_bytes();
    let why = String::from_utf8_lossy(&why);
    assert!(why.contains("expired"), "{why}");
    // The API server allows for clocks that differ by a minute: this one is good for half of that.
    let dying = lives(-30)?;
    assert_eq!(
        status(operator.push, &trust, Some(&dying)).await?.as_u16(),
        200
    );
    is(&dying, 401).await
}

fn claims(token: &str) -> Result<Value> {
    let claims = token.split('.').nth(1).ok_or("no token")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?)
}

#[tokio::test]
async fn a_stream_ends_with_its_pod() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "gone", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    let trust = trust(&namespace).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let token = token(&client, name, AUDIENCE, Some(("proxy", &uid))).await?;
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(operator.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    delete_pod(&client, name, "proxy").await?;
    sidecar.until_end().await?;
    // The token itself is remembered as good until it expires: that the pod is gone must be enough.
    assert_eq!(
        status(operator.push, &trust, Some(&token)).await?.as_u16(),
        403
    );
    Ok(())
}

#[tokio::test]
async fn a_dataplane_sees_its_own_routes_only() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "views", &["x"]).await?;
    let elsewhere = cluster.namespace("elsewhere").await?;
    let (client, name) = (namespace.client(), namespace.name());
    extension(&client, name, "x", &[]).await?;
    dataplane(&client, name, "narrow").await?;
    let narrow =
        json!({"metadata": {"annotations": {"tagalong.dev/watch-namespaces": elsewhere.name()}}});
    api(&client, name, KONG, "DataPlane")
        .patch("narrow", &Default::default(), &Patch::Merge(narrow))
        .await?;
    service(&client, name, "echo", None).await?;
    route(&client, name, "here", &["echo"]).await?;
    service(&client, elsewhere.name(), "echo", None).await?;
    route(&client, elsewhere.name(), "there", &["echo"]).await?;
    let trust = trust(&namespace).await?;
    let (here, there) = (
        format!("httproute.{name}.here.0"),
        format!("httproute.{}.there.0", elsewhere.name()),
    );
    for (dataplane, sees_here) in [("dp", true), ("narrow", false)] {
        let uid = pod(&client, name, dataplane, dataplane).await?;
        let token = token(&client, name, AUDIENCE, Some((dataplane, &uid))).await?;
        let open = namespace.until("the stream", || async {
            Ok(Sidecar::open(operator.push, &trust, &token).await?)
        });
        let mut sidecar = open.await?;
        sidecar
            .until(&there, Some(&format!("{}/echo", elsewhere.name())))
            .await?;
        assert_eq!(
            sidecar.table.entries().services.0.contains_key(&here),
            sees_here,
            "{dataplane}"
        );
    }
    Ok(())
}

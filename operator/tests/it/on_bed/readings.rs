//! A label waits until Kong's controller has shown that Kong has what an edited route means.

use crate::support;

use serde_json::json;
use support::sidecar::{Sidecar, pod, token, trust};
use support::told::programmed;
use support::{GATEWAY, Result, apply, extension, gateway, operator, route, service};

#[tokio::test]
async fn a_label_waits_until_kong_has_the_route() -> Result {
    let (cluster, operator) = operator().await?;
    let namespace = gateway(cluster, "readings", &["x"]).await?;
    let (client, name) = (namespace.client(), namespace.name());
    apply(&client, json!({
        "apiVersion": GATEWAY, "kind": "Gateway", "metadata": {"namespace": name, "name": "kong"},
        "spec": {"gatewayClassName": "kong", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }))
    .await?;
    for service_name in ["a", "b", "c"] {
        service(&client, name, service_name, None).await?;
    }
    extension(&client, name, "x", &["a", "b", "c"]).await?;
    let uid = pod(&client, name, "proxy", "dp").await?;
    let trust = trust(&namespace).await?;
    let bound = Some(("proxy", uid.as_str()));
    let token = token(&client, name, tagalong_wire::contract::AUDIENCE, bound).await?;
    let open = namespace.until("the stream", || async {
        Ok(Sidecar::open(operator.push, &trust, &token).await?)
    });
    let mut sidecar = open.await?;
    let kong = |route: &str| format!("httproute.{name}.{route}.0");
    let is = |service: &str| format!("{name}/{service}");
    // Other objects' labels are pushed in the order of their events: when the marker's is there, what came before is.
    let marks = std::cell::Cell::new(0);
    let mark = async |sidecar: &mut Sidecar| -> Result {
        marks.set(marks.get() + 1);
        let marker = format!("marker{}", marks.get());
        route(&client, name, &marker, &["c"]).await?;
        sidecar.until(&kong(&marker), Some(&is("c"))).await
    };
    let now = |sidecar: &Sidecar| {
        let entries = sidecar.table.entries();
        entries.services.0.get(&kong("r")).map(ToString::to_string)
    };

    // A new route means nothing else to Kong.
    route(&client, name, "r", &["a"]).await?;
    sidecar.until(&kong("r"), Some(&is("a"))).await?;
    programmed(&client, name, "r", "True").await?;
    mark(&mut sidecar).await?;
    assert_eq!(now(&sidecar), Some(is("a")));

    route(&client, name, "r", &["b"]).await?;
    sidecar.until(&kong("r"), None).await?;
    programmed(&client, name, "r", "Unknown").await?;
    mark(&mut sidecar).await?;
    assert_eq!(now(&sidecar), None);
    programmed(&client, name, "r", "True").await?;
    sidecar.until(&kong("r"), Some(&is("b"))).await?;

    route(&client, name, "r", &["a"]).await?;
    sidecar.until(&kong("r"), None).await?;
    programmed(&client, name, "r", "False").await?;
    mark(&mut sidecar).await?;
    assert_eq!(now(&sidecar), None);
    // What was refused is taken back: Kong never had anything else, and nobody will say so.
    route(&client, name, "r", &["b"]).await?;
    sidecar.until(&kong("r"), Some(&is("b"))).await
}

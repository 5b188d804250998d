//! The controller itself says when Kong has an edited route, and a label waits for that.

use http::StatusCode;
use serde_json::{Value, json};
use tagalong_cluster::{Cluster, Result};
use tagalong_index::{Index, Key, Manifests, ObjectKind, Settings};
use tokio::time::Instant;

use super::{Duration, Ground, backend, cluster, objects};

/// The route that is edited. Its one rule leads to one Service.
const ROUTE: &str = "shared-b";

fn waiting() -> Settings {
    Settings {
        wait_for_kong: true,
        ..Settings::default()
    }
}

/// What the index says of the route's name, as it learns of the route. It is told the time only by a test that says so: in the
/// others only the status ends a reading.
struct Follower {
    cluster: &'static Cluster,
    index: Index,
    namespace: String,
    /// The route as it was last seen.
    route: Value,
}

impl Follower {
    fn new(cluster: &'static Cluster, ground: &Ground, index: Index) -> Self {
        Self {
            cluster,
            index,
            namespace: ground.namespace.name().to_owned(),
            route: Value::Null,
        }
    }

    fn name(&self) -> String {
        format!("httproute.{}.{ROUTE}.0", self.namespace)
    }

    fn said(&self) -> Option<String> {
        let table = self.index.snapshot(&Key::new(&*self.namespace, "kong"));
        let services = table.expect("a table").services.0;
        services
            .get(&self.name())
            .map(|service| service.name.clone())
    }

    /// What the name is once the index has seen what kubectl says of the route.
    async fn after(&mut self, verb: &str, more: &[&str]) -> Result<Option<String>> {
        let mut kubectl = vec![
            verb,
            "httproute",
            ROUTE,
            "-n",
            &self.namespace,
            "-o",
            "json",
        ];
        kubectl.extend(more);
        let printed = self.cluster.kubectl(&kubectl, "").await?;
        self.route = serde_json::from_str(&printed).expect("JSON");
        for object in Manifests::read(vec![self.route.clone()]).objects {
            self.index.apply(object);
        }
        Ok(self.said())
    }

    async fn label(&mut self) -> Result<Option<String>> {
        self.after("get", &[]).await
    }

    /// Sends the route to another Service. What is said then is of the API server's answer: no controller has seen it yet.
    async fn edit(&mut self, service: &str) -> Result<Option<String>> {
        let value = json!([{"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": service}]);
        self.after("patch", &["--type=json", "-p", &value.to_string()])
            .await
    }

    /// Makes another route of the same name, which leads to the Service. The one before is gone; the index sees that only if it is
    /// told.
    async fn make_again(&mut self, service: &str, told: bool) -> Result<Option<String>> {
        let (namespace, key) = (&self.namespace, Key::new(&*self.namespace, ROUTE));
        let delete = ["delete", "httproute", ROUTE, "-n", namespace];
        self.cluster.kubectl(&delete, "").await?;
        if told {
            self.index.delete(ObjectKind::HttpRoute, &key);
        }
        let mut again = json!({"apiVersion": self.route["apiVersion"], "kind": "HTTPRoute",
            "metadata": {"name": ROUTE}, "spec": self.route["spec"]});
        again["spec"]["rules"][0]["backendRefs"][0]["name"] = json!(service);
        let create = ["create", "-n", namespace, "-f", "-"];
        self.cluster.kubectl(&create, &again.to_string()).await?;
        self.label().await
    }

    /// Until the name stands for the Service; until then it stands for none.
    async fn until(&mut self, service: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let said = self.label().await?;
            if said.as_deref() == Some(service) {
                return Ok(());
            }
            assert_eq!(said, None, "Kong is on its way to {service}");
            assert!(
                begun.elapsed().as_secs() < 50,
                "{service} is never shown: {}",
                self.route["status"]
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Looks for so long; Kong has not what the route says, and the name stands for nothing.
    async fn nothing_for(&mut self, time: Duration, ground: &Ground, in_kong: &str) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            assert_eq!(
                self.label().await?,
                None,
                "Kong has {in_kong}: {}",
                self.route["status"]
            );
            assert!(self.in_kong(ground, in_kong), "Kong has another");
        }
        Ok(())
    }

    /// Whether the controller has said that Kong has the route as it is.
    fn is_shown(&self) -> bool {
        let parents = self.route["status"]["parents"].as_array();
        let conditions = parents.into_iter().flatten().flat_map(|parent| {
            let conditions = parent["conditions"].as_array();
            conditions.into_iter().flatten()
        });
        conditions.into_iter().any(|condition| {
            condition["type"] == "Programmed"
                && condition["status"] == "True"
                && condition["observedGeneration"] == self.route["metadata"]["generation"]
        })
    }

    /// Whether Kong sends what comes under the name to the Service.
    fn in_kong(&self, ground: &Ground, service: &str) -> bool {
        let services = objects::services();
        let address = services.iter().find(|(name, _)| *name == service);
        let document = ground.kong.document();
        let mut upstreams = document["upstreams"].as_array().into_iter().flatten();
        let upstream = upstreams.find(|upstream| upstream["name"] == self.name());
        let targets = upstream.map(|upstream| upstream["targets"].to_string());
        targets.is_some_and(|targets| targets.contains(&address.expect("a Service").1))
    }
}

/// A controller that has pushed everything, and who follows the route, as it is in Kong.
async fn followed(prefix: &str) -> Result<(Ground, Follower)> {
    let mut ground = Ground::start(prefix, backend().await, &[]).await?;
    ground.pushed().await?;
    let mut follower = Follower::new(cluster().await?, &ground, ground.index(waiting()));
    follower.until("one").await?;
    // A name that had none gets its Service at once, before the controller says that Kong has it.
    let begun = Instant::now();
    while !follower.is_shown() {
        assert!(
            begun.elapsed().as_secs() < 50,
            "{}",
            follower.route["status"]
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        follower.label().await?;
    }
    Ok((ground, follower))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_waits_until_the_controller_has_shown_the_route() -> Result<()> {
    let (ground, mut follower) = followed("readings").await?;
    for service in ["two", "three", "one"] {
        assert_eq!(follower.edit(service).await?, None);
        follower.until(service).await?;
        assert!(
            follower.in_kong(&ground, service),
            "{service} is not in Kong"
        );
    }
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kong_refuses_the_configuration_the_name_has_no_label() -> Result<()> {
    let (ground, mut follower) = followed("refused").await?;
    ground.kong.fail_config(Some(StatusCode::BAD_REQUEST));
    assert_eq!(follower.edit("two").await?, None);
    // Some ten pushes.
    follower
        .nothing_for(Duration::from_secs(3), &ground, "one")
        .await?;
    let explained = follower.index.explain_name(&follower.name()).to_string();
    assert!(explained.contains("held back: "), "{explained}");
    ground.kong.fail_config(None);
    follower.until("two").await?;
    assert!(follower.in_kong(&ground, "two"));
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_controller_is_away_the_name_has_no_label_not_after_our_own_restart_either()
-> Result<()> {
    let (mut ground, mut follower) = followed("away").await?;
    ground.leave();
    assert_eq!(follower.edit("two").await?, None);
    follower
        .nothing_for(Duration::from_secs(1), &ground, "one")
        .await?;
    // What the index was told before is gone with it. The route's own status says what Kong does not have.
    follower.index = ground.index_without(ROUTE, waiting());
    follower
        .nothing_for(Duration::from_secs(1), &ground, "one")
        .await?;
    follower.index.tick(Duration::from_secs(3_600));
    assert_eq!(follower.label().await?, None);
    ground.control().await?;
    follower.until("two").await?;
    assert!(follower.in_kong(&ground, "two"));
    // Whoever begins now knows at once.
    follower.index = ground.index_without(ROUTE, waiting());
    assert_eq!(follower.label().await?.as_deref(), Some("two"));
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_controller_writes_no_status_the_newest_reading_holds_after_a_minute()
-> Result<()> {
    let mut ground = Ground::start("silent", backend().await, &["--update-status=false"]).await?;
    ground.pushed().await?;
    let mut follower = Follower::new(cluster().await?, &ground, ground.index(waiting()));
    assert_eq!(follower.label().await?.as_deref(), Some("one"));
    assert_eq!(follower.edit("two").await?, None);
    let begun = Instant::now();
    while !follower.in_kong(&ground, "two") {
        assert!(begun.elapsed().as_secs() < 50, "it is never pushed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Kong has it, and nobody says so.
    assert_eq!(
        follower.label().await?,
        None,
        "{}",
        follower.route["status"]
    );
    follower.index.tick(Duration::from_secs(59));
    assert_eq!(follower.label().await?, None);
    follower.index.tick(Duration::from_secs(61));
    assert_eq!(follower.label().await?.as_deref(), Some("two"));
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_while_kong_refuses_it_holds_after_ten_seconds() -> Result<()> {
    let (ground, mut follower) = followed("taken-back").await?;
    ground.kong.fail_config(Some(StatusCode::BAD_REQUEST));
    assert_eq!(follower.edit("two").await?, None);
    follower
        .nothing_for(Duration::from_secs(1), &ground, "one")
        .await?;
    assert_eq!(follower.edit("one").await?, None);
    ground.kong.fail_config(None);
    // The configuration is the one that Kong has, so nobody ever says that it has it.
    follower
        .nothing_for(Duration::from_secs(3), &ground, "one")
        .await?;
    assert!(!follower.is_shown(), "{}", follower.route["status"]);
    follower.index.tick(Duration::from_secs(9));
    assert_eq!(follower.label().await?, None);
    follower.index.tick(Duration::from_secs(11));
    assert_eq!(follower.label().await?.as_deref(), Some("one"));
    assert!(follower.in_kong(&ground, "one"));
    ground.namespace.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_made_again_is_another_one() -> Result<()> {
    let (mut ground, mut follower) = followed("again").await?;
    assert_eq!(follower.edit("two").await?, None);
    follower.until("two").await?;
    // Seen to go, it may be in Kong for a while, and its status is gone with it.
    assert_eq!(follower.make_again("three", true).await?, None);
    let begun = Instant::now();
    while !(follower.is_shown() && follower.in_kong(&ground, "three")) {
        assert!(begun.elapsed().as_secs() < 50, "it is never shown");
        assert_eq!(follower.label().await?, None);
    }
    follower.index.tick(Duration::from_secs(29));
    assert_eq!(follower.label().await?, None);
    follower.index.tick(Duration::from_secs(31));
    assert_eq!(follower.label().await?.as_deref(), Some("three"));
    // Not seen to go, its first generation is another's: a later one of the old route was shown.
    ground.leave();
    assert_eq!(follower.make_again("one", false).await?, None);
    follower
        .nothing_for(Duration::from_secs(1), &ground, "three")
        .await?;
    ground.control().await?;
    follower.until("one").await?;
    assert!(follower.in_kong(&ground, "one"));
    ground.namespace.delete().await
}

/// The controller has read the change and says that it knows nothing: what it said before is gone.
#[tokio::test(flavor = "multi_thread")]
async fn after_our_own_restart_nothing_is_known_of_a_change_that_kong_refuses() -> Result<()> {
    let (ground, mut follower) = followed("unknown").await?;
    ground.kong.fail_config(Some(StatusCode::BAD_REQUEST));
    assert_eq!(follower.edit("two").await?, None);
    let begun = Instant::now();
    while !follower.route["status"].to_string().contains("\"Unknown\"") {
        assert!(begun.elapsed().as_secs() < 50, "it is never read");
        assert_eq!(follower.label().await?, None);
    }
    assert!(!follower.route["status"].to_string().contains("Configured"));
    follower.index = ground.index_without(ROUTE, waiting());
    // As any other route of the controller's.
    let args = [
        "get",
        "httproute",
        "shared-a",
        "-n",
        &follower.namespace,
        "-o",
        "json",
    ];
    let printed = follower.cluster.kubectl(&args, "").await?;
    let other = serde_json::from_str(&printed).expect("JSON");
    for object in Manifests::read(vec![other]).objects {
        follower.index.apply(object);
    }
    follower
        .nothing_for(Duration::from_secs(1), &ground, "one")
        .await?;
    follower.index.tick(Duration::from_secs(3_600));
    assert_eq!(follower.label().await?, None);
    ground.kong.fail_config(None);
    follower.until("two").await?;
    assert!(follower.in_kong(&ground, "two"));
    ground.namespace.delete().await
}

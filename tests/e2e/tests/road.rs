//! The whole road: `helm install`, the published example, the published guide, pods scaled on latency and back, `helm uninstall`.

use std::time::Duration;

use serde_json::Value;
use tagalong_e2e::cgroups::Meter;
use tagalong_e2e::figures::at_most;
use tagalong_e2e::monitoring::{FROM_PODS, Monitoring, PUBLISHED, THROUGH_OPERATOR};
use tagalong_e2e::objects::left;
use tagalong_e2e::stage::Stage;
use tagalong_e2e::traffic::{Load, Trickle, none_failed};
use tagalong_e2e::{Tried, helm};
use tokio::time::Instant;

/// For how long processor time is measured, at least.
const IDLE: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn from_helm_install_to_pods_scaled_on_latency_and_back() -> Tried<()> {
    let Some(stage) = Stage::set().await? else {
        return Ok(());
    };
    let before = stage.objects().await?;
    install(&stage).await?;

    // The published example, and requests from then on until the end.
    let started = Instant::now();
    stage.apply("echo.yaml").await?;
    stage.apply("gateway.yaml").await?;
    let kongs = stage.kongs(true).await?;
    let rolled_out = Instant::now();
    say(&format!(
        "gateway with sidecar after {:?}",
        started.elapsed()
    ));
    let gateway = stage.gateway().await?;
    stage
        .until("an answer from echo", || async {
            Ok(tagalong_e2e::traffic::get(stage.cluster, gateway, "/echo/hostname").await?)
        })
        .await?;
    let trickle = Trickle::start(stage.cluster, gateway, "before load");
    stage.enriched_at_operator().await?;
    let seconds = rolled_out.elapsed().as_secs_f64();
    at_most(
        "the rollout to the first enriched sample",
        seconds,
        "s",
        20.0,
    )?;

    // The published guide.
    let monitoring = Monitoring::start(&stage).await?;
    stage.apply("hpa.yaml").await?;
    for metric in [PUBLISHED, THROUGH_OPERATOR, FROM_PODS] {
        let what = format!("{metric} from the adapter");
        let probe = || async { Ok(stage.metric(metric).await?) };
        stage.until(&what, probe).await?;
    }
    let processors = Processors::start(&stage, &kongs).await?;
    tokio::time::sleep(IDLE).await;
    processors.print()?;
    trickle.part("up and down");
    up_and_down(&stage, gateway).await?;

    let series = monitoring.no_label_was_wrong(&stage).await?;
    assert!(series > 0, "no enriched series");
    assert_eq!(
        pods(&stage.kong_pods().await),
        pods(&kongs),
        "Kong's pods were replaced"
    );

    trickle.part("uninstall");
    uninstall(&stage).await?;
    none_failed(&trickle.end())?;
    let after = stage.objects().await?;
    let left = left(&before, &after);
    assert!(left.is_empty(), "left: {left:#?}");
    Ok(())
}

async fn install(stage: &Stage) -> Tried<()> {
    let started = Instant::now();
    if let Err(error) = helm::install(stage.cluster).await {
        return Err(format!("{error}\n{}", stage.account().await).into());
    }
    let seconds = started.elapsed().as_secs_f64();
    at_most("helm install to all ready", seconds, "s", 30.0)?;
    Ok(())
}

/// A step in latency and its end, while two ways of scraping see the same.
async fn up_and_down(stage: &Stage, gateway: std::net::SocketAddr) -> Tried<()> {
    stage
        .scaled("one pod before the load", |pods| pods == 1)
        .await?;
    let load = Load::start(stage.cluster, gateway);
    let (_, after) = stage.scaled("more pods", |pods| pods > 1).await?;
    let seconds = after.as_secs_f64();
    at_most(
        "a step in latency to the first scale-up",
        seconds,
        "s",
        60.0,
    )?;
    let (most, after) = stage.scaled("ten pods", |pods| pods == 10).await?;
    say(&format!("{most} pods wanted {after:?} later"));
    stage
        .until("both ways to see the same latency", || async {
            let through = stage.metric(THROUGH_OPERATOR).await?;
            let from = stage.metric(FROM_PODS).await?;
            let published = stage.metric(PUBLISHED).await?;
            let seen = format!("operator {through}, pods {from}, published rule {published}");
            let near = |other: f64| (through - other).abs() <= through * 0.1;
            if through > 40.0 && near(from) && near(published) {
                say(&seen);
                Ok(())
            } else {
                Err(seen.into())
            }
        })
        .await?;
    drop(load);
    let (_, after) = stage
        .scaled("one pod after the load", |pods| pods == 1)
        .await?;
    say(&format!("one pod wanted {after:?} after the load"));
    Ok(())
}

async fn uninstall(stage: &Stage) -> Tried<()> {
    let started = Instant::now();
    if let Err(error) = helm::uninstall(stage.cluster).await {
        return Err(format!("{error}\n{}", stage.account().await).into());
    }
    stage.kongs(false).await?;
    say(&format!("uninstalled after {:?}", started.elapsed()));
    let echo = stage
        .get("/api/v1/namespaces/default/services/echo")
        .await?;
    let plugins = &echo["metadata"]["annotations"]["konghq.com/plugins"];
    assert!(plugins.is_null(), "{plugins}");
    Ok(())
}

/// Processor time with nothing to do but a scrape every five seconds, of the operator and of the pods.
struct Processors {
    operators: Meter,
    webhooks: Meter,
    sidecar: Meter,
}

impl Processors {
    async fn start(stage: &Stage, kongs: &[Value]) -> Tried<Self> {
        Ok(Self {
            operators: Meter::start(&stage.ours("operator").await, "operator")?,
            webhooks: Meter::start(&stage.ours("webhook").await, "webhook")?,
            sidecar: Meter::start(&kongs[..1], "tagalong")?,
        })
    }

    fn print(&self) -> Tried<()> {
        let servers = self.operators.millicores()? + self.webhooks.millicores()?;
        at_most("idle operators and webhooks", servers, "millicores", 5.0)?;
        let sidecar = self.sidecar.millicores()?;
        at_most("an idle sidecar", sidecar, "millicores", 1.0)?;
        Ok(())
    }
}

fn pods(pods: &[Value]) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].to_string();
    pods.iter().map(uid).collect()
}

/// One line on the way, for whoever watches.
fn say(what: &str) {
    let mut error = std::io::stderr();
    let _unread = std::io::Write::write_fmt(&mut error, format_args!("{what}\n"));
}

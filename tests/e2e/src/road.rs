//! The steps that both tests share: install, the example, the guide, scaling up and down, uninstall.

use std::net::SocketAddr;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::figures::{at_most, say};
use crate::monitoring::{FROM_PODS, Monitoring, PUBLISHED, THROUGH_OPERATOR};
use crate::objects::{Objects, left};
use crate::processors::Processors;
use crate::stage::Stage;
use crate::traffic::{ECHO, Load, STEADY};
use crate::{Tried, helm};

/// A cluster in which the published example runs, measured and scaled as the published guide says.
pub struct Road {
    /// The cluster.
    pub stage: Stage,
    /// Where the Gateway's clients go.
    pub gateway: SocketAddr,
    /// Prometheus and its adapter.
    pub monitoring: Monitoring,
    /// Wrong lines that somebody gave at any time.
    pub wrong: Mutex<Vec<String>>,
    before: Objects,
}

impl Road {
    /// From `helm install` to an autoscaler that has its metric. `None` where there can be no node.
    ///
    /// # Errors
    ///
    /// When a step fails.
    pub async fn begin() -> Tried<Option<Self>> {
        let Some(stage) = Stage::set().await? else {
            return Ok(None);
        };
        let before = stage.objects().await?;
        let started = Instant::now();
        stage.explained(helm::install(stage.cluster).await).await?;
        let seconds = started.elapsed().as_secs_f64();
        at_most("helm install to all ready", seconds, "s", 30.0)?;

        stage.apply_example().await?;
        stage.kongs(true).await?;
        let rolled_out = Instant::now();
        let gateway = stage.gateway().await?;
        for path in [ECHO, STEADY] {
            let probe = || async { Ok(stage.cluster.get(gateway, path).await?) };
            stage.until(&format!("an answer to {path}"), probe).await?;
        }
        stage.enriched_at_operator().await?;
        let seconds = rolled_out.elapsed().as_secs_f64();
        at_most(
            "the rollout to the first enriched sample",
            seconds,
            "s",
            20.0,
        )?;

        let monitoring = Monitoring::start(&stage).await?;
        stage.apply("hpa.yaml").await?;
        for metric in [PUBLISHED, THROUGH_OPERATOR, FROM_PODS] {
            let what = format!("{metric} from the adapter");
            let probe = || async { Ok(stage.metric(metric).await?) };
            stage.until(&what, probe).await?;
        }
        Ok(Some(Self {
            stage,
            gateway,
            monitoring,
            wrong: Mutex::default(),
            before,
        }))
    }

    /// A step in latency and its end, while both ways of scraping see the same.
    ///
    /// # Errors
    ///
    /// When the autoscaler does not go up to ten and back to one.
    pub async fn up_and_down(&self) -> Tried<()> {
        let stage = &self.stage;
        let load = self.load().await?;
        let (_, after) = stage.scaled("more pods", |pods| pods > 1).await?;
        let seconds = after.as_secs_f64();
        at_most(
            "a step in latency to the first scale-up",
            seconds,
            "s",
            60.0,
        )?;
        self.to_ten_and_back(load).await
    }

    /// The published guide's load, which finds one pod.
    ///
    /// # Errors
    ///
    /// When there are more.
    pub async fn load(&self) -> Tried<Load> {
        let stage = &self.stage;
        stage.scaled("one pod", |pods| pods == 1).await?;
        Ok(Load::start(stage.cluster, self.gateway))
    }

    /// Waits for ten pods, ends the load, and waits for one.
    ///
    /// # Errors
    ///
    /// When the autoscaler does not go there, or the two ways of scraping see different things.
    pub async fn to_ten_and_back(&self, load: Load) -> Tried<()> {
        let stage = &self.stage;
        stage.scaled("ten pods", |pods| pods == 10).await?;
        stage
            .until("both ways to see the same latency", || async {
                let published = stage.metric(PUBLISHED).await?;
                let operator = stage.metric(THROUGH_OPERATOR).await?;
                let pods = stage.metric(FROM_PODS).await?;
                let seen =
                    format!("ms: rule as published {published}, operator {operator}, pods {pods}");
                let near = |other: f64| (published - other).abs() <= published * 0.1;
                if published > 40.0 && near(operator) && near(pods) {
                    say(&seen);
                    Ok(())
                } else {
                    Err(seen.into())
                }
            })
            .await?;
        drop(load);
        let idle = Processors::start(stage).await?;
        let (_, after) = stage.scaled("one pod again", |pods| pods == 1).await?;
        say(&format!("one pod wanted {after:.1?} after the load"));
        idle.print()
    }

    /// `helm uninstall`, after which nothing is left of us but `kept`, which must be: objects as [`Objects`] names them.
    ///
    /// # Errors
    ///
    /// When something else is, or one of these is not.
    pub async fn uninstall(&self, kept: &[&str]) -> Tried<()> {
        let stage = &self.stage;
        let started = Instant::now();
        stage
            .explained(helm::uninstall(stage.cluster).await)
            .await?;
        stage.kongs(false).await?;
        say(&format!(
            "uninstalled, Kong rolled out, after {:.1?}",
            started.elapsed()
        ));
        let echo = stage
            .get("/api/v1/namespaces/default/services/echo")
            .await?;
        let plugins = &echo["metadata"]["annotations"]["konghq.com/plugins"];
        if *plugins != Value::Null {
            return Err(format!("the Service still has the plugins {plugins}").into());
        }
        stage
            .until("nothing of us to be left but what is kept", || async {
                let left = left(&self.before, &stage.objects().await?);
                if left.keys().eq(kept.iter()) {
                    Ok(())
                } else {
                    Err(format!("{left:#?}").into())
                }
            })
            .await
    }
}

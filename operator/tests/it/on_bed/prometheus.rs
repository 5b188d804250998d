//! A real Prometheus scrapes the operator while pods come, go, hang and restart.
//!
//! A minute long; `TAGALONG_SOAK_SECONDS` says otherwise, as `make soak` does.

use crate::support;

use serde_json::{Value, json};
use std::time::Duration;
use support::Result;
use support::pods::{Host, Manner, Pod, tell};
use support::prometheus::{operator, prometheus};
use tokio::time::Instant;

/// Between two scrapes.
const INTERVAL: u64 = 3;
/// The operator looks at its manifests every second.
const LOOK: f64 = 2.0;

#[allow(clippy::cast_precision_loss, reason = "milliseconds of this century")]
fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

struct Town {
    hosts: Vec<Host>,
    manifests: tempfile::TempDir,
    /// Pods that are gone, and since when nobody speaks of them.
    gone: Vec<(String, f64)>,
    born: u8,
}

impl Town {
    fn tell(&self) -> Result {
        let pods = self.hosts.iter().map(|host| (host.pod(), host.address));
        tell(self.manifests.path(), &pods.collect::<Vec<_>>())
    }

    async fn come(&mut self) -> Result {
        self.born += 1;
        let pod = Pod::new(&format!("kong-{}", self.born));
        self.hosts.push(Host::start(self.born, pod).await?);
        self.tell()
    }

    /// The pod that a step is about: never the first, which nothing happens to.
    fn one(&self, step: usize) -> &Host {
        &self.hosts[1 + step % (self.hosts.len() - 1)]
    }

    async fn step(&mut self, step: usize) -> Result {
        let round = step / 8;
        match step % 8 {
            0 => self.come().await?,
            1 => self.one(round).change(|pod| pod.manner = Manner::Hangs),
            2 => self
                .one(round + 1)
                .change(|pod| pod.manner = Manner::CutsOff),
            3 => self.one(round + 2).change(|pod| pod.begun = Instant::now()),
            4 => {
                // Another pod of the same name.
                self.one(round).change(|pod| {
                    pod.uid.push('\'');
                    pod.begun = Instant::now();
                    pod.manner = Manner::Answers;
                });
                self.tell()?;
            }
            5 => {
                let manner = if round.is_multiple_of(2) {
                    Manner::Resets
                } else {
                    Manner::Fails
                };
                self.one(round + 1).change(|pod| pod.manner = manner);
            }
            6 => {
                // Another pod has the address before anybody says so.
                self.born += 1;
                let (host, pod) = (
                    self.one(round + 2),
                    Pod::new(&format!("kong-{}", self.born)),
                );
                let old = host.pod();
                let told: Vec<_> = self
                    .hosts
                    .iter()
                    .map(|host| (host.pod(), host.address))
                    .collect();
                host.change(|now| *now = pod);
                tell(self.manifests.path(), &told)?;
                tokio::time::sleep(Duration::from_secs(INTERVAL + 1)).await;
                self.tell()?;
                self.gone.push((old.name, now()));
            }
            _ => {
                for host in &self.hosts {
                    host.change(|pod| pod.manner = Manner::Answers);
                }
                if self.hosts.len() > 5 {
                    let host = self.hosts.remove(1 + round % 4);
                    self.tell()?;
                    self.gone.push((host.pod().name, now()));
                }
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn up_throughout_and_every_series_is_its_pods_own() -> Result {
    let seconds = std::env::var("TAGALONG_SOAK_SECONDS").unwrap_or_else(|_| "60".to_owned());
    let length = Duration::from_secs(seconds.parse()?);
    let mut town = Town {
        hosts: Vec::new(),
        manifests: tempfile::tempdir()?,
        gone: Vec::new(),
        born: 0,
    };
    for _ in 0..4 {
        town.come().await?;
    }
    let directory = tempfile::tempdir()?;
    let operator = operator(town.manifests.path(), directory.path()).await?;
    let prometheus = prometheus(
        &format!(
            "global: {{scrape_interval: {INTERVAL}s, scrape_timeout: {INTERVAL}s}}\n\
             scrape_configs:\n- job_name: operator\n  static_configs:\n  - targets: ['{}']\n    \
             labels: {{namespace: tagalong-system, service: tagalong-operator}}\n",
            operator.address
        ),
        directory.path(),
    )
    .await?;
    let begun = Instant::now();
    let mut step = 0;
    while begun.elapsed() < length {
        town.step(step).await?;
        step += 1;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // Two more scrapes for whoever went last.
    tokio::time::sleep(Duration::from_secs(3 * INTERVAL)).await;

    let range = format!("[{}s]", begun.elapsed().as_secs() + 60);
    let scrapes = prometheus.query(&format!("up{range}"), None).await?;
    let scrapes: Vec<(f64, String)> = serde_json::from_value(scrapes[0]["values"].clone())?;
    let down: Vec<_> = scrapes.iter().filter(|(_, up)| up != "1").collect();
    assert!(
        down.is_empty(),
        "down at {down:?} of {} scrapes",
        scrapes.len()
    );
    assert!(
        scrapes.len() as u64 > length.as_secs() / INTERVAL / 2,
        "{}",
        scrapes.len()
    );
    let zeros = json!({"duplicate_timestamp": "0", "out_of_order": "0", "out_of_bounds": "0"});
    assert_eq!(prometheus.complaints().await?, zeros);
    let log = std::fs::read_to_string(prometheus.process.log())?;
    for line in log.lines() {
        let complains = line.contains("level=WARN") || line.contains("level=ERROR");
        assert!(!complains || !line.contains("scrape"), "{line}");
    }

    // Nothing that happens to others costs a pod one sample.
    let steady = "kong_http_requests_total{dataplane_pod=\"kong-1\"}";
    let found = prometheus
        .query(&format!("count_over_time({steady}{range})"), None)
        .await?;
    assert_eq!(found[0]["value"][1], json!(scrapes.len().to_string()));

    let series = prometheus.series("{__name__=~\"kong_.+\"}").await?;
    assert!(series.len() > 20, "{series:?}");
    for labels in &series {
        let label = |name: &str| labels[name].as_str().unwrap_or_default();
        let pod = label("dataplane_pod");
        let own = format!("svc-{pod}");
        let right = label("exported_service") == own
            && label("kubernetes_name") == own
            && label("kong_service") == format!("k-{pod}");
        assert!(right && label("dataplane") == "kong", "{labels}");
    }

    for (pod, since) in &town.gone {
        let later = scrapes
            .iter()
            .map(|(time, _)| *time)
            .filter(|time| *time > since + LOOK);
        let Some(second) = later.clone().nth(1) else {
            continue;
        };
        let query =
            format!("{{__name__=~\"kong_.+|tagalong_collect_.+\",dataplane_pod=\"{pod}\"}}");
        let left = prometheus.query(&query, Some(second + 0.5)).await?;
        assert!(left.is_empty(), "{pod} left {left:?}");
    }
    let was_there = |pod: &str| series.iter().any(|labels| labels["dataplane_pod"] == pod);
    assert!(
        town.gone.iter().any(|(pod, _)| was_there(pod)),
        "nobody went"
    );
    let reasons = prometheus.series("tagalong_collect_pod_up").await?;
    let seen = |reason: &str| reasons.iter().any(|labels| labels["reason"] == reason);
    for reason in ["timeout", "cut_off", "connection", "other_pod"] {
        assert!(seen(reason), "no {reason} in {reasons:?}");
    }
    report(&scrapes, &series, &town, step);
    Ok(())
}

#[allow(clippy::print_stderr, reason = "what a long run came to")]
fn report(scrapes: &[(f64, String)], series: &[Value], town: &Town, steps: usize) {
    eprintln!(
        "{} scrapes, all up; {} series of {} pods, of which {} went; {steps} steps",
        scrapes.len(),
        series.len(),
        town.born,
        town.gone.len()
    );
}

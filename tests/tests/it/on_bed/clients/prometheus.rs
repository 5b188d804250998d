//! Prometheus 3, as it stores what it scrapes, and what it makes of histograms when told to make them native.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tagalong_cluster::binaries::{Tool, ensure};
use tagalong_cluster::process::{Ground, Process};
use tagalong_peers::canonical::Sample;
use tagalong_ports::Reserved;
use tokio::time::Instant;

use super::bed::{Bed, get};
use super::{REFUSED_OF_KONG, meaning};

struct Prometheus {
    address: SocketAddr,
    process: Process,
}

impl Prometheus {
    fn start(bed: &Bed, config: &str) -> Self {
        let port = Reserved::new().expect("a port");
        let (address, file) = (port.address(), bed.home.path().join("prometheus.yml"));
        std::fs::write(&file, config).expect("written");
        let mut command = Ground::Host.command(ensure(Tool::Prometheus).expect("it is built"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                bed.home.path().join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let process = Process::start("prometheus", command, bed.home.path()).expect("it starts");
        let process = process.keeping([port]);
        Self { address, process }
    }

    fn query(&self, query: &str) -> Option<Vec<Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (_, body) = get(
            self.address,
            &format!("/api/v1/query?query={encoded}"),
            "*/*",
        )?;
        let answer: Value = serde_json::from_slice(&body).ok()?;
        answer["data"]["result"].as_array().cloned()
    }

    /// The samples of a job.
    fn samples(&self, job: &str) -> Vec<Sample> {
        let found = self.query(&format!("{{job=\"{job}\",__name__=~\"kong_.+\"}}"));
        found.expect("an answer").iter().map(sample).collect()
    }

    /// By the job's name, whether its scrape was taken.
    fn up(&self) -> BTreeMap<String, bool> {
        let found = self.query("up").unwrap_or_default();
        let up = found
            .iter()
            .map(|one| (text(&one["metric"]["job"]), one["value"][1] == "1"));
        up.collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sample(one: &Value) -> Sample {
    let metric = one["metric"].as_object().expect("labels");
    let labels = metric
        .iter()
        .map(|(name, value)| (name.clone().into_bytes(), text(value).into_bytes()));
    Sample {
        name: text(&one["metric"]["__name__"]).into_bytes(),
        labels: labels.collect(),
        value: text(&one["value"][1]).into_bytes(),
    }
}

pub fn reads(bed: &Bed) {
    let mut config =
        "global: {scrape_interval: 20s, scrape_timeout: 15s}\nscrape_configs:\n".to_owned();
    let mut jobs = Vec::new();
    let mut job = |name: String, address: SocketAddr, more: &str| {
        config += &format!(
            "- job_name: {name}\n  honor_labels: true\n  static_configs: [{{targets: ['{address}']}}]\n{more}"
        );
        jobs.push(name);
    };
    for pod in &bed.pods {
        job(format!("kong.{}", pod.name), pod.kong.addr(), "");
        job(format!("sidecar.{}", pod.name), pod.sidecar.address, "");
    }
    job("operator".to_owned(), bed.all.address, "");
    let native = "  convert_classic_histograms_to_nhcb: true\n  metric_relabel_configs:\n  \
                  - {source_labels: [__name__], regex: '(kong_.+_latency_ms)', action: keep}\n";
    job("native".to_owned(), bed.whole.address, native);
    let prometheus = Prometheus::start(bed, &config);
    let begun = Instant::now();
    let up = loop {
        let up = prometheus.up();
        if up.len() == jobs.len() {
            break up;
        }
        let waited = begun.elapsed() < Duration::from_secs(90);
        assert!(waited, "{:?}: {}", up.keys(), prometheus.process.log_tail());
        std::thread::sleep(Duration::from_millis(500));
    };
    assert!(up.values().all(|up| *up), "{up:?}");
    let mut of_pods = BTreeMap::<Vec<u8>, Vec<Sample>>::new();
    for sample in prometheus.samples("operator") {
        let pod = sample.label(b"dataplane_pod").unwrap_or_default().to_vec();
        of_pods.entry(pod).or_default().push(sample);
    }
    let mut enriched = 0;
    for pod in &bed.pods {
        let kong = meaning::of_kong(&pod.text);
        let found = of_pods.remove(pod.name.as_bytes()).unwrap_or_default();
        let who = format!("Prometheus, operator, {}", pod.name);
        enriched += meaning::hold(&who, &kong, found.into_iter());
        if !REFUSED_OF_KONG.contains(&pod.name.as_str()) {
            let found = prometheus.samples(&format!("sidecar.{}", pod.name));
            let who = format!("Prometheus, sidecar, {}", pod.name);
            enriched += meaning::hold(&who, &kong, found.into_iter());
        }
    }
    assert!(enriched > 50_000, "{enriched}");
    hold_native(bed, &prometheus);
}

/// Of each classic histogram there is a native one, with its count and sum.
fn hold_native(bed: &Bed, prometheus: &Prometheus) {
    for (function, part) in [("histogram_count", "_count"), ("histogram_sum", "_sum")] {
        let mut found = BTreeMap::<Vec<u8>, Vec<String>>::new();
        let mut wanted = BTreeMap::<Vec<u8>, Vec<String>>::new();
        for family in [
            "kong_kong_latency_ms",
            "kong_request_latency_ms",
            "kong_upstream_latency_ms",
        ] {
            let query = format!("{function}({family}{{job=\"native\"}})");
            for one in prometheus.query(&query).expect("an answer") {
                let values = found.entry(family.into()).or_default();
                values.push(text(&one["value"][1]));
            }
            let name = format!("{family}{part}");
            for pod in bed.pods.iter().filter(|pod| pod.is_whole()) {
                for (series, said) in meaning::of_kong(&pod.text) {
                    if series.starts_with(format!("{name}|").as_bytes()) {
                        let said = said
                            .into_iter()
                            .map(|value| String::from_utf8(value).expect("a number"));
                        wanted.entry(family.into()).or_default().extend(said);
                    }
                }
            }
        }
        found
            .values_mut()
            .chain(wanted.values_mut())
            .for_each(|values| values.sort_unstable());
        assert!(wanted.len() == 3);
        assert_eq!(found, wanted, "{function}");
    }
}

//! vmagent, and what it writes on.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tagalong_cluster::binaries::{Tool, ensure};
use tagalong_cluster::process::{Ground, Process};
use tagalong_peers::canonical::Sample;
use tagalong_peers::sink::Sink;
use tagalong_ports::Reserved;
use tokio::time::Instant;

use super::bed::{Bed, get};
use super::{REFUSED_OF_KONG, meaning};

/// A target, by what it is called.
pub type Target = (String, SocketAddr);

struct Agent {
    address: SocketAddr,
    process: Process,
}

fn start(bed: &Bed, name: &str, targets: &[Target], sink: &Sink, flags: &[&str]) -> Agent {
    let mut config =
        "global: {scrape_interval: 20s, scrape_timeout: 15s}\nscrape_configs:\n".to_owned();
    for (name, address) in targets {
        config += &format!(
            "- job_name: '{name}'\n  honor_labels: true\n  static_configs: [{{targets: ['{address}'], labels: {{scraped: '{name}'}}}}]\n"
        );
    }
    let port = Reserved::new().expect("a port");
    let (address, file) = (port.address(), bed.home.path().join(format!("{name}.yml")));
    std::fs::write(&file, config).expect("written");
    let mut command = Ground::Host.command(ensure(Tool::Vmagent).expect("vmagent is built"));
    command
        .arg(format!("-httpListenAddr={address}"))
        .arg("-remoteWrite.forcePromProto")
        .arg(format!(
            "-remoteWrite.url=http://{}/api/v1/write",
            sink.address
        ))
        .arg(format!(
            "-remoteWrite.tmpDataPath={}",
            bed.home.path().join(name).display()
        ))
        .arg(format!("-promscrape.config={}", file.display()))
        .args(flags);
    let process = Process::start(name, command, bed.home.path()).expect("it starts");
    let process = process.keeping([port]);
    Agent { address, process }
}

/// Waits until each target has been scraped: each has a moment in the interval, which vmagent chooses.
fn scraped(agent: &Agent, targets: usize) {
    let begun = Instant::now();
    loop {
        let (_, body) = get(agent.address, "/api/v1/targets", "*/*").unwrap_or_default();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let active = answer["data"]["activeTargets"].as_array();
        let done = active.into_iter().flatten().filter(|target| {
            let up = target["health"] == "up";
            up || target["lastError"] != ""
        });
        if done.count() == targets {
            return;
        }
        let waits = begun.elapsed() < Duration::from_secs(90);
        assert!(waits, "{answer}: {}", agent.process.log_tail());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Waits until all that has been scraped is written: nothing is pending, several times in a row.
fn written(agent: &Agent) {
    let mut idle = 0;
    for _ in 0..120 {
        std::thread::sleep(Duration::from_millis(500));
        let (_, body) = get(agent.address, "/metrics", "*/*").expect("its own metrics");
        let metrics = String::from_utf8_lossy(&body).into_owned();
        let mut pending = metrics
            .lines()
            .filter(|line| line.starts_with("vmagent_remotewrite_pending_"))
            .peekable();
        assert!(pending.peek().is_some(), "{metrics}");
        idle = if pending.all(|line| line.ends_with(" 0")) {
            idle + 1
        } else {
            0
        };
        if idle == 10 {
            return;
        }
    }
    panic!("never done: {}", agent.process.log_tail());
}

pub fn reads(bed: &Bed) {
    let mut targets: Vec<Target> = bed
        .pods
        .iter()
        .map(|pod| (pod.name.clone(), pod.sidecar.address))
        .collect();
    targets.push(("operator".to_owned(), bed.all.address));
    let sink = Sink::start().expect("a sink");
    sink.keep();
    // Its default is 16 MiB.
    let agent = start(
        bed,
        "vmagent",
        &targets,
        &sink,
        &["-promscrape.maxScrapeSize=128MiB"],
    );
    let by_default = start(
        bed,
        "vmagent-by-default",
        &targets[targets.len() - 1..],
        &sink,
        &[],
    );
    scraped(&agent, targets.len());
    scraped(&by_default, 1);
    written(&agent);
    let _stopped = agent.process.stop(Duration::from_secs(20));
    let log = std::fs::read_to_string(by_default.process.log()).expect("a log");
    assert!(
        log.contains("exceeds -promscrape.maxScrapeSize"),
        "larger than 16 MiB, and nothing said: {log}"
    );
    drop(by_default);
    let samples = sink.kept().expect("remote write");
    hold(bed, samples);
}

fn hold(bed: &Bed, samples: Vec<Sample>) {
    let (mut sidecars, mut operator) = (
        std::collections::BTreeMap::<_, Vec<Sample>>::new(),
        std::collections::BTreeMap::<_, Vec<Sample>>::new(),
    );
    for mut sample in samples {
        let target = sample.label(b"scraped").unwrap_or_default().to_vec();
        sample.labels.retain(|(name, _)| name != b"scraped");
        let target = String::from_utf8(target).expect("a name");
        if target == "operator" {
            let pod = sample.label(b"dataplane_pod").unwrap_or_default().to_vec();
            operator
                .entry(String::from_utf8(pod).expect("a name"))
                .or_default()
                .push(sample);
        } else {
            sidecars.entry(target).or_default().push(sample);
        }
    }
    for pod in &bed.pods {
        let kong = meaning::of_kong(&pod.text);
        let of_operator = operator.remove(&pod.name).unwrap_or_default();
        meaning::hold(
            &format!("vmagent, operator, {}", pod.name),
            &kong,
            of_operator.into_iter(),
        );
        // vmagent reads each line by itself, and half of a broken line may be a sample.
        if !REFUSED_OF_KONG.contains(&pod.name.as_str()) {
            let of_sidecar = sidecars.remove(&pod.name).unwrap_or_default();
            meaning::hold(
                &format!("vmagent, sidecar, {}", pod.name),
                &kong,
                of_sidecar.into_iter(),
            );
        }
    }
}

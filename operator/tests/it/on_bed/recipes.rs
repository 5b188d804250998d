//! The numbers that the guides' queries and rules come to on a real Prometheus, of many Services, busy and idle, and when
//! nothing is known any more.

use crate::support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use support::city::{self, BOUNDS, SERVICES};
use support::pods::{Host, Pod, tell};
use support::prometheus::{Server, operator, prometheus};
use support::{Result, equal};
use tagalong_cluster::until;

const PODS: u8 = 2;
/// The guides' window, and the one that a test can wait for.
const WINDOW: (&str, &str) = ("[1m]", "[10s]");

/// The YAML block of a guide that has this in it, with the test's window.
fn block(page: &str, with: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides");
    let text = std::fs::read_to_string(path.join(page))?;
    let mut blocks = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let block = blocks
        .find(|block| block.contains(with))
        .ok_or("no block")?;
    assert!(block.contains(WINDOW.0), "{page}: another window");
    Ok(block.replace(WINDOW.0, WINDOW.1))
}

/// KEDA's query, about Service `number`.
fn keda(number: usize) -> Result<String> {
    let scaled: Value = serde_saphyr::from_str(&block("keda.md", "ScaledObject")?)?;
    let trigger = &scaled["spec"]["triggers"][0]["metadata"];
    // Else the query's empty answer would be read as 0.
    equal(&trigger["ignoreNullValues"].as_str(), &Some("false"))?;
    let query = trigger["query"].as_str().ok_or("no query")?;
    Ok(query
        .replace("\"default\"", "\"shop\"")
        .replace("\"echo\"", &format!("\"echo-{number}\"")))
}

/// A number for each Service, by its name in Kubernetes.
async fn numbers(prometheus: &Server, query: &str) -> Result<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    for one in prometheus.query(query, None).await? {
        let name = one["metric"]["kubernetes_name"]
            .as_str()
            .unwrap_or_default();
        let value = one["value"][1].as_str().ok_or("no value")?;
        let before = found.insert(name.to_owned(), value.parse()?);
        assert!(before.is_none(), "{query}: more than one of {name}");
    }
    Ok(found)
}

/// Each Service that has requests has this number, give or take, and no other has one.
fn each(
    found: &BTreeMap<String, f64>,
    within: f64,
    wanted: impl Fn(usize) -> Option<f64>,
) -> Result {
    let wanted: BTreeMap<String, f64> = (0..SERVICES)
        .filter_map(|number| Some((format!("echo-{number}"), wanted(number)?)))
        .collect();
    equal(
        &found.keys().collect::<Vec<_>>(),
        &wanted.keys().collect::<Vec<_>>(),
    )?;
    for (name, wanted) in &wanted {
        let found = found[name];
        if (found - wanted).abs() > within {
            return Err(format!("{name}: {found} and not {wanted}").into());
        }
    }
    Ok(())
}

/// Where 95 of a hundred requests are below, as `histogram_quantile` reckons it: all are in one bucket.
fn p95(number: usize) -> f64 {
    let mean = city::mean(number);
    let below = |bound: &&u32| f64::from(**bound) < mean;
    let low = BOUNDS.iter().rfind(below).map_or(0.0, |&low| low.into());
    let high = BOUNDS.iter().find(|bound| !below(bound));
    low + 0.95 * (high.map_or(f64::INFINITY, |&high| high.into()) - low)
}

fn busy(number: usize) -> bool {
    city::per_second(number) > 0
}

async fn hold(prometheus: &Server) -> Result {
    let rule = async |name: &str| numbers(prometheus, &format!("service:{name}")).await;
    let of_busy = |value: fn(usize) -> f64| move |number| busy(number).then(|| value(number));
    let mean = city::mean as fn(usize) -> f64;
    each(
        &rule("kong_upstream_latency_ms:mean1m").await?,
        1e-6,
        of_busy(mean),
    )?;
    each(
        &rule("kong_upstream_latency_ms:p95_1m").await?,
        1e-6,
        of_busy(p95),
    )?;
    each(
        &rule("kong_http_requests:error_ratio1m").await?,
        1e-6,
        of_busy(|_| 0.1),
    )?;
    // Counted in steps of ten.
    let requests = rule("kong_http_requests:rate1m").await?;
    each(&requests, f64::from(PODS) * 3.0, |number| {
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        Some(city::per_second(number) as f64 * f64::from(PODS))
    })?;
    for number in [1, SERVICES - 1] {
        let found = numbers(prometheus, &keda(number)?).await?;
        equal(&found.len(), &1)?;
        let found = found[""];
        assert!((found - city::mean(number)).abs() < 1e-6, "{found}");
    }
    // Idle is a number.
    equal(
        &format!("{:?}", numbers(prometheus, &keda(0)?).await?),
        &r#"{"": 0.0}"#.to_owned(),
    )?;
    // What Prometheus makes of the histograms by itself.
    let native = "histogram_avg(sum by (kubernetes_name) (rate(kong_upstream_latency_ms{job=\"native\"}[10s]))) >= 0";
    each(&numbers(prometheus, native).await?, 1e-6, of_busy(mean))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_right_and_blind_is_not_idle() -> Result {
    let (mut pods, mut hosts, manifests) = (Vec::new(), Vec::new(), tempfile::tempdir()?);
    for number in 0..PODS {
        let mut pod = Pod::new(&format!("kong-{number}"));
        pod.counts = Some(city::text);
        let host = Host::start(219 + number, pod.clone()).await?;
        pods.push((pod, host.address));
        hosts.push(host);
    }
    tell(manifests.path(), &pods)?;
    let directory = tempfile::tempdir()?;
    let operator = operator(manifests.path(), directory.path()).await?;
    let rules = directory.path().join("rules.yml");
    std::fs::write(&rules, block("prometheus-and-hpa.md", "groups:")?)?;
    let job = |name: &str| {
        format!(
            "- job_name: {name}\n  static_configs:\n  - targets: ['{}']\n    \
             labels: {{namespace: kong-system, service: tagalong-operator, pod: target-0}}\n",
            operator.address
        )
    };
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs:\n{}{}  convert_classic_histograms_to_nhcb: true\n  metric_relabel_configs:\n  \
         - {{source_labels: [__name__], regex: kong_upstream_latency_ms, action: keep}}\n",
        rules.display(),
        job("operator"),
        job("native"),
    );
    let prometheus = &prometheus(&configuration, directory.path()).await?;
    until("right numbers", Duration::from_secs(60), || async move {
        hold(prometheus).await?;
        Ok(())
    })
    .await?;
    let zeros =
        serde_json::json!({"duplicate_timestamp": "0", "out_of_order": "0", "out_of_bounds": "0"});
    assert_eq!(prometheus.complaints().await?, zeros);

    // Sidecars without a table: Kong's samples are there, and none of them is enriched.
    for host in &hosts {
        host.change(|pod| {
            pod.text = Some("# TYPE kong_nginx_timers gauge\nkong_nginx_timers 1\n".to_owned());
        });
    }
    until("blindness", Duration::from_secs(60), || async move {
        for number in [0, 1] {
            equal(&numbers(prometheus, &keda(number)?).await?.len(), &0)?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

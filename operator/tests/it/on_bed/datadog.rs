//! What Datadog's own OpenMetrics check sends of the operator's `/metrics`, configured as `docs/guides/datadog.md` says.

use crate::support;

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use support::city::{self, SERVICES};
use support::datadog::{Run, check, instance};
use support::pods::{Host, Pod, tell};
use support::prometheus::operator;
use support::{Result, equal};

/// How the check names what the page's instance selects, as far as the part of the histogram.
const FAMILY: &str = "autoscaling.kong_upstream_latency_ms.";

/// What Kong says, behind a sidecar: two Services, one with two routes.
const SAMPLES: &str = r#"# HELP kong_upstream_latency_ms Latency added by upstream response
# TYPE kong_upstream_latency_ms histogram
kong_upstream_latency_ms_bucket{LABELS_0,le="25"} 3
kong_upstream_latency_ms_bucket{LABELS_0,le="+Inf"} 5
kong_upstream_latency_ms_count{LABELS_0} 5
kong_upstream_latency_ms_sum{LABELS_0} 500
kong_upstream_latency_ms_bucket{LABELS_1,le="25"} 1
kong_upstream_latency_ms_bucket{LABELS_1,le="+Inf"} 7
kong_upstream_latency_ms_count{LABELS_1} 7
kong_upstream_latency_ms_sum{LABELS_1} 900
kong_upstream_latency_ms_bucket{LABELS_2,le="25"} 11
kong_upstream_latency_ms_bucket{LABELS_2,le="+Inf"} 13
kong_upstream_latency_ms_count{LABELS_2} 13
kong_upstream_latency_ms_sum{LABELS_2} 100
"#;

/// Service and route of each set of labels.
const SERIES: [(&str, &str); 3] = [("echo", "a"), ("echo", "b"), ("other", "c")];

fn enriched() -> String {
    let mut text = SAMPLES.to_owned();
    for (at, (service, route)) in SERIES.iter().enumerate() {
        let labels = format!(
            "namespace=\"shop\",service=\"{service}\",kubernetes_apiversion=\"v1\",kubernetes_kind=\"service\",\
             kubernetes_name=\"{service}\",kubernetes_namespace=\"shop\",kong_service=\"shop.{service}.80\",\
             route=\"{route}\",workspace=\"default\""
        );
        text = text.replace(&format!("LABELS_{at}"), &labels);
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_histogram_arrives_with_its_services_name() -> Result {
    let mut pod = Pod::new("kong-1");
    pod.text = Some(enriched());
    let host = Host::start(210, pod.clone()).await?;
    let manifests = tempfile::tempdir()?;
    tell(manifests.path(), &[(pod, host.address)])?;
    let logs = tempfile::tempdir()?;
    let operator = operator(manifests.path(), logs.path()).await?;
    // With the buckets that the page leaves out, and in both formats.
    let mut buckets = instance(operator.address)?;
    buckets["collect_histogram_buckets"] = json!(true);
    let mut strict = buckets.clone();
    strict["use_latest_spec"] = json!(true);
    for run in check(vec![buckets, strict]).await? {
        assert_eq!(run.refused, "");
        each_has_its_name(&run);
    }
    Ok(())
}

fn each_has_its_name(run: &Run) {
    let mut seen = BTreeSet::new();
    for metric in &run.sent {
        let Some(part) = metric.name.strip_prefix(FAMILY) else {
            continue;
        };
        let tag = |name| metric.tag(name);
        assert_eq!(tag("kubernetes_name"), tag("service"), "{metric:?}");
        assert_eq!(tag("kubernetes_namespace"), "shop", "{metric:?}");
        assert_eq!(tag("namespace"), "shop", "{metric:?}");
        assert_eq!(tag("dataplane_pod"), "kong-1", "{metric:?}");
        assert_eq!(tag("kubernetes_kind"), "none", "{metric:?}");
        seen.insert(format!(
            "{part} {} {} {} {}",
            tag("service"),
            tag("route"),
            tag("upper_bound"),
            metric.value,
        ));
    }
    let wanted = [
        "bucket echo a 25.0 3",
        "bucket echo b 25.0 1",
        "bucket other c 25.0 11",
        "count echo a none 5",
        "count echo b none 7",
        "count other c none 13",
        "sum echo a none 500",
        "sum echo b none 900",
        "sum other c none 100",
    ];
    for one in wanted {
        assert!(seen.contains(one), "{one} is not in {seen:#?}");
    }
}

/// What the page's query makes of a run: for each Service the sum of all sums by the sum of all counts.
fn averages(run: &Run) -> BTreeMap<&str, (f64, f64)> {
    let mut found = BTreeMap::<_, (f64, f64)>::new();
    for metric in &run.sent {
        let of = found.entry(metric.tag("kubernetes_name")).or_default();
        match metric.name.strip_prefix(FAMILY) {
            Some("sum") => of.0 += metric.value,
            Some("count") => of.1 += metric.value,
            _ => {}
        }
    }
    found
}

/// The page's number for so many Services and pods is right, and what it says happens without its settings happens.
#[tokio::test(flavor = "multi_thread")]
async fn no_limit_of_the_check_makes_an_average_wrong() -> Result {
    const PODS: u8 = 8;
    let (mut pods, manifests) = (Vec::new(), tempfile::tempdir()?);
    for number in 0..PODS {
        let mut pod = Pod::new(&format!("kong-{number}"));
        pod.text = Some(city::text(std::time::Duration::from_secs(60)));
        let host = Host::start(211 + number, pod.clone()).await?;
        pods.push((pod, host.address));
    }
    tell(manifests.path(), &pods)?;
    let logs = tempfile::tempdir()?;
    let operator = operator(manifests.path(), logs.path()).await?;
    let page = instance(operator.address)?;
    let mut strict = page.clone();
    strict["use_latest_spec"] = json!(true);
    let mut unlimited = page.clone();
    let settings = unlimited.as_object_mut().ok_or("no instance")?;
    assert!(settings.remove("max_returned_metrics").is_some());
    let mut buckets = page.clone();
    buckets["collect_histogram_buckets"] = json!(true);
    let runs = check(vec![page, strict, buckets, unlimited]).await?;

    let series = SERVICES * usize::from(PODS);
    for (run, each) in runs.iter().zip([2, 2, 15]) {
        equal(&run.refused.as_str(), &"")?;
        let averages = averages(run);
        equal(&averages.len(), &SERVICES)?;
        for number in 0..SERVICES {
            let (sum, count) = averages[format!("echo-{number}").as_str()];
            let requests = 16 + 60 * city::per_second(number);
            equal(
                &count.to_string(),
                &(requests * u64::from(PODS)).to_string(),
            )?;
            equal(&(sum / count).to_string(), &city::mean(number).to_string())?;
        }
        let sent = run.sent.iter();
        let contexts = sent.filter(|metric| metric.name.starts_with(FAMILY));
        equal(&contexts.count(), &(series * each))?;
    }
    // The check's own limit is reached in this city, and what it leaves out is told nowhere in what is sent.
    let cut = averages(&runs[3]);
    let wrong = (0..SERVICES).filter(|number| {
        let name = format!("echo-{number}");
        cut.get(name.as_str())
            .is_none_or(|(_, count)| *count < f64::from(PODS) * 16.0)
    });
    assert!(wrong.count() > 0, "2,000 contexts hold all of it");
    Ok(())
}

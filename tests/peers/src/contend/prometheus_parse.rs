//! The crate `prometheus-parse`: parse, add the labels, print.

use std::fmt::Write as _;

use prometheus_parse::{Sample, Scrape, Value};

use super::{Job, Services};

pub(super) fn job(input: Vec<u8>, services: Services) -> Job {
    let mut out = String::new();
    Box::new(move |emit| {
        out.clear();
        let text = String::from_utf8_lossy(&input);
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        if let Ok(scrape) = Scrape::parse(lines) {
            for sample in &scrape.samples {
                print(sample, &services, &mut out);
            }
        }
        emit(out.as_bytes());
    })
}

fn print(sample: &Sample, services: &Services, out: &mut String) {
    let mut labels = String::new();
    let mut add = |name: &str, value: &str| {
        labels.push_str(name);
        labels.push_str("=\"");
        escape(value, &mut labels);
        labels.push_str("\",");
    };
    let kong = sample.labels.get("service").unwrap_or_default();
    let service = services.get(kong);
    if let Some((namespace, name)) = service {
        add("namespace", namespace);
        add("service", name);
        add("kubernetes_apiversion", "v1");
        add("kubernetes_kind", "service");
        add("kubernetes_name", name);
        add("kubernetes_namespace", namespace);
        add("kong_service", kong);
    }
    for (name, value) in sample.labels.iter() {
        if service.is_none() || name != "service" {
            add(name, value);
        }
    }
    let metric = &sample.metric;
    // Writing to a string cannot fail.
    let _ = match &sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => {
            if labels.pop().is_some() {
                writeln!(out, "{metric}{{{labels}}} {value}")
            } else {
                writeln!(out, "{metric} {value}")
            }
        }
        Value::Histogram(buckets) => buckets.iter().try_for_each(|bucket| {
            let count = bucket.count;
            if bucket.less_than == f64::INFINITY {
                writeln!(out, "{metric}_bucket{{{labels}le=\"+Inf\"}} {count}")
            } else {
                let le = bucket.less_than;
                writeln!(out, "{metric}_bucket{{{labels}le=\"{le}\"}} {count}")
            }
        }),
        Value::Summary(_) => Ok(()),
    };
}

fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

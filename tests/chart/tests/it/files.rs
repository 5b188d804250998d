//! What the chart copies from elsewhere equals its source.

use serde_json::Value;
use tagalong_chart::{Result, directory, file, readme};
use tagalong_exposition::{LabelTable, Options, Rewriter};
use tagalong_operator::metrics::{
    Answered, ApiServiceState, CustomMetrics, KindLabel, Metrics, PodState, Reason, SummaryMetrics,
};
use tagalong_sidecar::metrics::write_ambiguous;

#[test]
fn the_readme_says_what_values_yaml_says() -> Result {
    assert_eq!(
        file("README.md")?,
        readme::wanted()?,
        "run `make chart-readme`"
    );
    Ok(())
}

#[test]
fn the_definition_is_the_generated_one() -> Result {
    let name = "dataplanemetricsextensions.gateway-operator.konghq.com.yaml";
    let generated = directory().join("../../crds/generated").join(name);
    assert_eq!(
        file(&format!("files/{name}"))?,
        std::fs::read_to_string(generated)?,
        "run crdgen, and copy it"
    );
    Ok(())
}

#[test]
fn the_versions_are_the_workspaces() -> Result {
    let chart: Value = serde_saphyr::from_str(&file("Chart.yaml")?)?;
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// A typing error in an alert or a panel would show as silence.
#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() -> Result {
    let metrics = Metrics::default();
    // A family without a series is not written.
    let (kind, reason) = (KindLabel { kind: "Service" }, Reason { reason: "any" });
    drop(metrics.watches.synced.get_or_create(&kind));
    drop(metrics.reconcile.failures.get_or_create(&kind));
    drop(metrics.reconcile.refused.get_or_create(&reason));
    drop(metrics.collect.failed.get_or_create(&reason));
    let (api, summaries) = (CustomMetrics::default(), SummaryMetrics::default());
    metrics.register(|registry| {
        api.register(registry);
        summaries.register(registry);
    });
    drop(api.requests.get_or_create(&Answered {
        metric: "any",
        code: 200,
    }));
    drop(api.api_services.get_or_create(&ApiServiceState {
        version: "v1beta1",
        state: "ours",
    }));
    drop(summaries.pods.get_or_create(&PodState { state: "missing" }));
    drop(summaries.collections.get_or_create(&reason));
    let mut known = metrics.plain();
    let mut seen = LabelTable::builder();
    seen.set_ambiguous_service("any");
    let mut rewriter = Rewriter::new(Options::default());
    rewriter.push(&seen.build(), b"m{service=\"any\"} 1\n", &mut Vec::new());
    let mut sidecar = Vec::new();
    write_ambiguous(rewriter.ambiguous(), &mut sidecar);
    known += &String::from_utf8_lossy(&sidecar);
    let both = format!(
        "{}\n{}",
        file("files/alerts.yaml")?,
        file("files/dashboard.json")?
    );
    let asked = both
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("tagalong_") && !word.starts_with("tagalong_webhook_"));
    let mut seen = 0;
    for name in asked {
        assert!(
            known.contains(&format!("# TYPE {name} ")),
            "{name}: {known}"
        );
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
    let dashboard: Value = serde_json::from_str(&file("files/dashboard.json")?)?;
    assert!(
        dashboard["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 4)
    );
    Ok(())
}

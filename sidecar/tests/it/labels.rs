//! The labels file as it changes under a running sidecar.

#![allow(
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

use crate::common;

use common::{NO_LABELS, Sidecar, labels_for, until, value};
use tagalong_kong::CaptureKong;

#[tokio::test]
async fn updates_are_followed_and_bad_ones_refused() {
    let kong = CaptureKong::builder().start().await.expect("a Kong");
    let sidecar = Sidecar::at(&kong, NO_LABELS);
    let enriched = async || {
        let only = sidecar.get("/metrics?samples=enriched").await;
        only.text().lines().count()
    };
    assert_eq!(enriched().await, 0);

    // As an editor does, and without an interval for which there would be no table.
    let beside = sidecar.labels.with_extension("new");
    std::fs::write(&beside, labels_for(&kong.bytes())).expect("written");
    std::fs::rename(&beside, &sidecar.labels).expect("renamed");
    until("the table is in use", async || enriched().await > 0).await;
    let with_table = enriched().await;

    std::fs::write(&sidecar.labels, "{\"type\":\"SNAPSHOT\",\n").expect("written");
    until("the bad one is refused", async || {
        sidecar
            .metric("table_updates_total{result=\"refused\"}")
            .await
            == 1
    })
    .await;
    assert_eq!(enriched().await, with_table, "the old table stays");

    std::fs::remove_file(&sidecar.labels).expect("removed");
    until("its absence is refused", async || {
        sidecar
            .metric("table_updates_total{result=\"refused\"}")
            .await
            == 2
    })
    .await;
    assert_eq!(enriched().await, with_table, "the old table stays");

    std::fs::write(&sidecar.labels, NO_LABELS).expect("written");
    until("the next good one is in use", async || {
        enriched().await == 0
    })
    .await;
    let text = sidecar.get("/metrics").await.text();
    assert_eq!(value(&text, "table_updates_total{result=\"applied\"}"), 2);
    assert_eq!(value(&text, "table_entries{kind=\"service\"}"), 0);
}

//! The webhook away, Kong's operator restarted, its controller's pod deleted, the API server restarted, while requests flow: none is
//! lost, and no pod is replaced.

use std::time::Duration;

use tagalong_e2e::Tried;
use tagalong_e2e::away::Absence;
use tagalong_e2e::stage::Stage;

/// Longer than a controller that finds no provisioned Gateway takes to empty Kong (seen: half a minute).
const SHORT: Duration = Duration::from_secs(45);
const MINUTES: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn nobody_needs_to_be_awake() -> Tried<()> {
    let worst = |api_server| Absence {
        webhook: true,
        operator: true,
        controller: true,
        api_server,
    };
    match Stage::with_sidecar_from_above().await? {
        Some(stage) => stage.endure(&[worst(false), worst(true)], SHORT).await,
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour: make e2e-faults"]
async fn nobody_needs_to_be_awake_in_any_combination() -> Tried<()> {
    match Stage::with_sidecar_from_above().await? {
        Some(stage) => stage.endure(&Absence::all(), MINUTES).await,
        None => Ok(()),
    }
}

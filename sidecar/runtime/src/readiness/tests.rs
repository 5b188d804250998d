use super::*;

#[test]
fn ready_once_all_handles_are() {
    let readiness = Readiness::default();
    assert!(readiness.missing().is_empty());
    let (pods, routes) = (readiness.handle("pods"), readiness.handle("routes"));
    pods.ready();
    assert_eq!(readiness.missing(), ["routes"]);
    let again = readiness.handle("again");
    routes.ready();
    assert_eq!(readiness.missing(), ["again"]);
    again.ready();
    assert!(readiness.missing().is_empty());
}

#[test]
fn giving_up_is_not_being_ready() {
    let readiness = Readiness::default();
    drop(readiness.handle("pods"));
    assert_eq!(readiness.missing(), ["pods"]);
}

#[tokio::test]
async fn complete_waits_for_what_is_added_meanwhile() {
    let readiness = Readiness::default();
    readiness.complete().await;
    let discovery = readiness.handle("discovery");
    let waits = tokio::spawn({
        let readiness = readiness.clone();
        async move { readiness.complete().await }
    });
    let pods = readiness.handle("pods");
    discovery.ready();
    tokio::task::yield_now().await;
    assert!(!waits.is_finished(), "the pods are missing");
    pods.ready();
    waits.await.expect("no panic");
}

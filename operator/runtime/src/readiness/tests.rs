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

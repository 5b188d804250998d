use super::*;
use std::time::Duration;

fn target(ends: bool) -> PodTarget {
    PodTarget {
        uid: "1".to_owned(),
        pod: Key::new("default", "kong-1"),
        dataplane: Key::new("default", "kong"),
        ends,
        address: ([10, 0, 0, 1], 9542).into(),
        url: "http://10.0.0.1:9542".to_owned(),
    }
}

#[test]
fn says_which_pod_why_and_what_to_do() {
    let (announcer, mut uncollected) = channel();
    announcer.announce(&target(true), &FetchError::Timeout);
    announcer.announce(&target(false), &FetchError::Status(502));
    let told = uncollected.try_recv().expect("one is told");
    assert!(uncollected.try_recv().is_err(), "a pod that ends is none");
    let (about, event) = event(&told);
    assert_eq!(
        (
            about.kind.as_deref(),
            about.name.as_deref(),
            about.uid.as_deref()
        ),
        (Some("Pod"), Some("kong-1"), Some("1"))
    );
    let dataplane = event.secondary.and_then(|dataplane| dataplane.name);
    assert_eq!(dataplane.as_deref(), Some("kong"));
    assert_eq!(
        event.note.as_deref(),
        Some(
            "Metrics at 10.0.0.1:9542 cannot be collected: it answered 502. \
             Its sidecar's log says why: kubectl logs -c tagalong."
        )
    );
}

#[tokio::test]
async fn does_not_wait_for_those_who_write() {
    let (announcer, _uncollected) = channel();
    let work = async {
        for _ in 0..10 * WAITING {
            announcer.announce(&target(false), &FetchError::Timeout);
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(60), work).await;
    assert!(told.is_ok());
}

use super::*;

fn at() -> ServedAt {
    ServedAt {
        namespace: "tagalong-system".to_owned(),
        service: "tagalong-custom-metrics".to_owned(),
        port: 443,
    }
}

fn object(version: Version, leads_to: Option<(&str, &str)>, labelled: bool) -> APIService {
    let service = leads_to.map(|(namespace, name)| ServiceReference {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        port: Some(443),
    });
    APIService {
        metadata: ObjectMeta {
            name: Some(name(version)),
            resource_version: Some("7".to_owned()),
            labels: labelled.then(|| [(MANAGED_BY_LABEL.into(), MANAGED_BY.into())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(APIServiceSpec {
            service,
            ..spec(version, &at(), "CA")
        }),
        status: None,
    }
}

fn ours(version: Version) -> GroupOwner {
    let at = at();
    let leads_to = Some((&*at.namespace, &*at.service));
    GroupOwner::of(Some(object(version, leads_to, true)), &at)
}

fn theirs() -> GroupOwner {
    GroupOwner::Other("monitoring/prometheus-adapter".to_owned())
}

const NEW: Version = Version::V1Beta2;
const OLD: Version = Version::V1Beta1;

/// The names of what is written.
fn words(writes: &[ApiServiceWrite]) -> Vec<String> {
    let words = writes.iter().map(|write| {
        let (done, object) = match write {
            ApiServiceWrite::Create(object) => ("create", object),
            ApiServiceWrite::Replace(object) => ("replace", object),
            ApiServiceWrite::Delete(object) => ("delete", object),
        };
        format!(
            "{done} {}",
            object.metadata.name.as_deref().unwrap_or_default()
        )
    });
    words.collect()
}

const MADE: [&str; 2] = [
    "create v1beta2.custom.metrics.k8s.io",
    "create v1beta1.custom.metrics.k8s.io",
];

#[test]
fn whose_it_is() {
    let at = at();
    let us = Some((&*at.namespace, &*at.service));
    let adapter = Some(("monitoring", "prometheus-adapter"));
    assert_eq!(GroupOwner::of(None, &at), GroupOwner::Nobody);
    assert!(matches!(ours(NEW), GroupOwner::Us(_)));
    for (leads_to, labelled, whose) in [
        (adapter, false, "monitoring/prometheus-adapter"),
        // Applied over ours: the label stays.
        (adapter, true, "monitoring/prometheus-adapter"),
        (
            us,
            false,
            "tagalong-system/tagalong-custom-metrics, made by somebody else",
        ),
        (
            Some(("other", "tagalong-custom-metrics")),
            true,
            "other/tagalong-custom-metrics",
        ),
        (None, false, "the API server itself"),
    ] {
        let found = object(OLD, leads_to, labelled);
        assert_eq!(
            GroupOwner::of(Some(found), &at),
            GroupOwner::Other(whose.to_owned())
        );
    }
    let note = foreign(OLD, &theirs()).expect("a note");
    assert!(note.starts_with(
        "APIService v1beta1.custom.metrics.k8s.io belongs to monitoring/prometheus-adapter:"
    ));
    assert_eq!(foreign(OLD, &ours(OLD)), None);
    assert_eq!(foreign(OLD, &GroupOwner::Nobody), None);
}

#[tokio::test(start_paused = true)]
async fn at_installation_at_once_and_kept() {
    let mut succession = Succession::default();
    let now = Instant::now();
    let nobody = [GroupOwner::Nobody, GroupOwner::Nobody];
    assert_eq!(
        words(&succession.due(&nobody, &at(), None, now)),
        [""; 0],
        "no authority yet"
    );
    let made = succession.due(&nobody, &at(), Some("CA"), now);
    assert_eq!(words(&made), MADE);
    let [ApiServiceWrite::Create(new), ApiServiceWrite::Create(old)] = &*made else {
        panic!("{made:?}");
    };
    let of = |object: &APIService| object.spec.clone().expect("a spec");
    assert_eq!(
        (of(new).version_priority, of(old).version_priority),
        (200, 100)
    );
    assert_eq!(
        of(new).ca_bundle.map(|bundle| bundle.0),
        Some(b"CA".to_vec())
    );
    assert_eq!(of(new).insecure_skip_tls_verify, None);
    // As it is to be: nothing is due. Another authority, or an edit: written anew, over what was read.
    let both = [ours(NEW), ours(OLD)];
    assert_eq!(succession.due(&both, &at(), Some("CA"), now), []);
    let renewed = succession.due(&both, &at(), Some("CA and the next"), now);
    assert_eq!(
        words(&renewed),
        [
            "replace v1beta2.custom.metrics.k8s.io",
            "replace v1beta1.custom.metrics.k8s.io"
        ]
    );
    let ApiServiceWrite::Replace(first) = &renewed[0] else {
        panic!("{renewed:?}");
    };
    assert_eq!(first.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(
        succession.due(&both, &at(), None, now),
        [],
        "a bundle is never taken away"
    );
    // One was deleted: the other is ours, so nobody else is on the way.
    let one = [ours(NEW), GroupOwner::Nobody];
    assert_eq!(
        words(&succession.due(&one, &at(), Some("CA"), now)),
        MADE[1..]
    );
}

/// HPAs ask the preferred version, whoever serves it.
#[tokio::test(start_paused = true)]
async fn both_versions_or_none_and_nothing_of_others() {
    let now = Instant::now();
    for (owners, due) in [
        ([GroupOwner::Nobody, theirs()], &[][..]),
        ([theirs(), GroupOwner::Nobody], &[]),
        ([theirs(), theirs()], &[]),
        (
            [ours(NEW), theirs()],
            &["delete v1beta2.custom.metrics.k8s.io"],
        ),
        (
            [theirs(), ours(OLD)],
            &["delete v1beta1.custom.metrics.k8s.io"],
        ),
    ] {
        for bundle in [None, Some("CA"), Some("another")] {
            let found = Succession::default().due(&owners, &at(), bundle, now);
            assert_eq!(words(&found), due, "{owners:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_somebodys_is_taken_over_after_ten_minutes() {
    let nobody = [GroupOwner::Nobody, GroupOwner::Nobody];
    let step = Duration::from_secs(60);
    for before in [[theirs(), GroupOwner::Nobody], [ours(NEW), ours(OLD)]] {
        let mut succession = Succession::default();
        succession.due(&before, &at(), Some("CA"), Instant::now());
        for minute in 0..10 {
            let due = succession.due(&nobody, &at(), Some("CA"), Instant::now());
            assert_eq!(due, [], "after {minute} minutes");
            tokio::time::sleep(step).await;
        }
        // It comes back for a moment, and the ten minutes begin again.
        succession.due(&before, &at(), Some("CA"), Instant::now());
        assert_eq!(
            succession.due(&nobody, &at(), Some("CA"), Instant::now()),
            []
        );
        tokio::time::sleep(10 * step).await;
        assert_eq!(
            words(&succession.due(&nobody, &at(), Some("CA"), Instant::now())),
            MADE
        );
    }
}

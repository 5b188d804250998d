//! The published example, from its files.

#![allow(clippy::expect_used, reason = "a test may fail so, and read easily")]

use tagalong_index::{Index, Key, Manifests, Outcome, Settings};

fn published_example() -> Manifests {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/published-example");
    let documents = [
        "echo.yaml",
        "gateway.yaml",
        "multi-backend-route.yaml",
        "hpa.yaml",
    ]
    .into_iter()
    .flat_map(|file| {
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        serde_saphyr::from_multiple::<serde_json::Value>(&text).expect(file)
    });
    Manifests::read(documents)
}

fn index(manifests: Manifests) -> Index {
    assert_eq!(manifests.problems, Vec::<String>::new());
    let mut index = Index::new(Settings::default());
    for object in manifests.objects {
        index.apply(object);
    }
    index
}

#[test]
fn the_example_is_attached_and_named() {
    let index = index(published_example().with_operators());
    let kong = Key::new("default", "kong");
    let dataplane = index.dataplane(&kong).expect("a DataPlane");
    assert!(dataplane.is_attached() && dataplane.is_managed() && dataplane.marked);

    let table = index.snapshot(&kong).expect("a table");
    for name in [
        "httproute.default.httproute-echo.0",
        "httproute.default.svc.default.echo.80.1",
    ] {
        assert_eq!(
            table.services.0.get(name).expect(name).to_string(),
            "default/echo"
        );
        assert_eq!(
            table.upstreams.0.get(name).expect(name).to_string(),
            "default/echo"
        );
    }
    assert!(
        !table
            .services
            .iter()
            .any(|(name, _)| name.contains("httproute-testing")),
        "it splits its traffic"
    );

    let plan = index.plan(&kong);
    assert_eq!(plan.services.len(), 1);
    assert_eq!(
        plan.services[0].outcome,
        Outcome::Plugin("kong-metrics-prometheus".to_owned())
    );
    assert_eq!(plan.plugins[0].config.0["latency_metrics"], true);
    let left_out = index.left_out(&kong).expect("a DataPlane");
    let names: Vec<&str> = left_out.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["httproute.default.httproute-testing.0"]);
}

#[test]
fn without_operators_it_waits_for_a_control_plane() {
    let index = index(published_example());
    let extension = Key::new("default", "kong");
    let plan = index.plan(&extension);
    assert!(plan.attachments.is_empty() && plan.plugins.is_empty());
    assert_eq!(plan.pending, [Key::new("default", "kong")]);
    assert_eq!(index.dataplanes().count(), 0);
}

#[test]
fn broken_documents_are_named() {
    let documents = serde_saphyr::from_multiple::<serde_json::Value>(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n\
         - {apiVersion: v1, kind: Service, metadata: {}}\n---\n\
         {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {rules: no}}\n---\n\
         {apiVersion: example.com/v1, kind: HTTPRoute, metadata: {name: other}}\n",
    )
    .expect("YAML");
    let manifests = Manifests::read(documents);
    assert_eq!(manifests.objects.len(), 1);
    assert_eq!(manifests.objects[0].key(), Key::new("default", "a"));
    assert_eq!(manifests.problems.len(), 2);
    assert!(
        manifests.problems[0].starts_with("Service : it has no name"),
        "{:?}",
        manifests.problems
    );
    assert!(
        manifests.problems[1].starts_with("HTTPRoute r: "),
        "{:?}",
        manifests.problems
    );
}

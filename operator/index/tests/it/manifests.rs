//! The published example, from its files.

use tagalong_index::{Index, Key, Manifests, PlanOutcome, Settings};

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
        PlanOutcome::Plugin("kong-metrics-prometheus".to_owned())
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
    let other = ("example.com/v1 HTTPRoute".to_owned(), 1);
    assert_eq!(
        manifests.passed_over.into_iter().collect::<Vec<_>>(),
        [other]
    );
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

/// A Gateway `kong/kong` of the class that this controller serves, a route of another namespace, and what it watches.
fn gateway(controller: &str, watches: &str) -> Index {
    let documents = serde_saphyr::from_multiple::<serde_json::Value>(&format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: kong}}\n\
         spec: {{controllerName: {controller}, parametersRef: {{group: gateway-operator.konghq.com, kind: GatewayConfiguration, \
         name: c, namespace: kong}}}}\n---\n\
         {{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: kong, namespace: kong}}, \
         spec: {{gatewayClassName: kong}}}}\n---\n\
         {{apiVersion: gateway-operator.konghq.com/v2beta1, kind: GatewayConfiguration, metadata: {{name: c, namespace: kong}}, \
         spec: {{controlPlaneOptions: {{watchNamespaces: {watches}}}}}}}\n---\n\
         {{apiVersion: v1, kind: Service, metadata: {{name: x, namespace: a}}}}\n---\n\
         {{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: r, namespace: a}}, spec: {{\
         parentRefs: [{{name: kong, namespace: kong}}], rules: [{{backendRefs: [{{name: x, port: 80}}]}}]}}}}\n"
    ))
    .expect("YAML");
    index(Manifests::read(documents).with_operators())
}

#[test]
fn the_made_control_plane_watches_what_is_configured() {
    let names = |watches: &str| {
        let index = gateway("konghq.com/gateway-operator", watches);
        let table = index.snapshot(&Key::new("kong", "kong")).expect("a table");
        table.services.0.contains_key("httproute.a.r.0")
    };
    assert!(names("{type: all}"));
    assert!(names("{type: list, list: [a]}"));
    assert!(!names("{type: list, list: [b]}"));
    assert!(!names("{type: own}"));
}

#[test]
fn a_class_of_another_controller_has_no_dataplane() {
    for controller in ["konghq.com/kic-gateway-controller", "example.com/other"] {
        assert_eq!(gateway(controller, "{type: all}").dataplanes().count(), 0);
    }
}

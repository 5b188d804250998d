//! The partial types read what clusters really serve, and never mind what they do not know.

use kube::core::Resource as _;
use serde_json::json;
use tagalong_crds::{
    ControlPlane, DataPlaneRef, HttpRoute, Ingress, Kind, KongClusterPlugin, Pod, Service, TlsRoute,
};

#[test]
fn the_best_served_version_is_chosen() {
    assert_eq!(
        HttpRoute::served(["v1beta1", "v1"])
            .expect("served")
            .api_version,
        "gateway.networking.k8s.io/v1"
    );
    assert_eq!(
        TlsRoute::served(["v1alpha2", "v1alpha3"])
            .expect("served")
            .version,
        "v1alpha3"
    );
    assert_eq!(
        ControlPlane::served(["v1beta1"]).expect("served").version,
        "v1beta1"
    );
    assert_eq!(HttpRoute::served(["v2"]), None);
    let url = HttpRoute::url_path(&HttpRoute::preferred(), Some("default"));
    assert_eq!(
        url,
        "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
    );
    assert_eq!(
        Service::url_path(&Service::preferred(), None),
        "/api/v1/services"
    );
    assert!(Service::metadata_api() && !Pod::metadata_api());
}

#[test]
fn control_planes_of_both_generations() {
    let old: ControlPlane = serde_json::from_value(json!({
        "apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "ControlPlane", "metadata": {"name": "a"},
        "spec": {"dataplane": "kong-x", "deployment": {"replicas": 1}, "gatewayClass": "kong",
                 "extensions": [{"group": "gateway-operator.konghq.com", "kind": "DataPlaneMetricsExtension", "name": "e"}]},
    }))
    .expect("v1beta1");
    assert!(matches!(old.spec.dataplane, Some(DataPlaneRef::Name(name)) if name == "kong-x"));
    let new: ControlPlane = serde_json::from_value(json!({
        "metadata": {"name": "a"},
        "spec": {"dataplane": {"type": "managedByOwner"}, "translation": {
            "combinedServicesFromDifferentHTTPRoutes": "enabled", "drainSupport": "enabled"}},
        "status": {"dataPlane": {"name": "kong-x"}, "conditions": []},
    }))
    .expect("v2beta1");
    assert!(matches!(
        new.spec.dataplane,
        Some(DataPlaneRef::Ref { r#ref: None })
    ));
    assert_eq!(new.status.data_plane.expect("status").name, "kong-x");
}

#[test]
fn sparse_and_null_fields() {
    for object in [
        json!({"metadata": {}}),
        json!({"metadata": {}, "spec": {"rules": null, "parentRefs": null}}),
    ] {
        serde_json::from_value::<HttpRoute>(object).expect("a route");
    }
    let route: HttpRoute = serde_json::from_value(json!({
        "metadata": {"name": "r"},
        "spec": {"rules": [{"backendRefs": [{"name": "echo", "port": 80, "filters": [{"type": "X"}]}],
                            "timeouts": {"backendRequest": "500ms", "request": "1s"}, "sessionPersistence": {}}]},
    }))
    .expect("a route");
    assert_eq!(route.spec.rules[0].backend_refs[0].port, Some(80));
    let ingress: Ingress = serde_json::from_value(json!({
        "metadata": {"name": "i"},
        "spec": {"tls": [], "defaultBackend": {"service": {"name": "d", "port": {"name": "http"}}},
                 "rules": [{"host": "x", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                    "backend": {"resource": {"apiGroup": "g", "kind": "KongServiceFacade", "name": "f"}}}]}}, {"host": "y"}]},
    }))
    .expect("an ingress");
    assert_eq!(ingress.spec.rules.len(), 2);
    let plugin: KongClusterPlugin = serde_json::from_value(json!({
        "metadata": {"name": "p"}, "plugin": "prometheus", "config": {"latency_metrics": true}, "protocols": ["http"],
        "configFrom": {"secretKeyRef": {"name": "s", "key": "k"}},
    }))
    .expect("a plugin");
    assert!(plugin.config_from.is_some());
}

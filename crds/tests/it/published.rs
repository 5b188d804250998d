//! The definition in the tree is the code's, and accepts what users of Kong's own definition have stored.

#![allow(clippy::expect_used, reason = "a test may fail so")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use serde_json::json;
use tagalong_crds::{DataPlaneMetricsExtension, custom_resource_definition};

const FILE: &str = "generated/dataplanemetricsextensions.gateway-operator.konghq.com.yaml";

fn schema() -> JSONSchemaProps {
    let mut definition = custom_resource_definition();
    let version = definition.spec.versions.remove(0);
    version
        .schema
        .and_then(|schema| schema.open_api_v3_schema)
        .expect("a schema")
}

fn at<'a>(schema: &'a JSONSchemaProps, path: &str) -> &'a JSONSchemaProps {
    path.split('.').fold(schema, |schema, name| {
        schema
            .properties
            .as_ref()
            .and_then(|properties| properties.get(name))
            .expect(path)
    })
}

#[test]
fn the_file_is_the_codes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let file = std::fs::read_to_string(&path).expect(FILE);
    let wanted = serde_saphyr::to_string(&custom_resource_definition()).expect("YAML");
    assert_eq!(
        file, wanted,
        "run: cargo run -p tagalong-crds --features schema --bin crdgen crds/generated"
    );
    let read: CustomResourceDefinition =
        serde_saphyr::from_str(&file).expect("the definition reads back");
    assert_eq!(read, custom_resource_definition());
}

#[test]
fn names_are_the_published_ones() {
    let definition = custom_resource_definition();
    let names = &definition.spec.names;
    assert_eq!(definition.spec.group, "gateway-operator.konghq.com");
    assert_eq!(definition.spec.scope, "Namespaced");
    assert_eq!(names.plural, "dataplanemetricsextensions");
    assert_eq!(names.singular.as_deref(), Some("dataplanemetricsextension"));
    assert_eq!(names.categories, Some(vec!["kong".to_owned()]));
    assert_eq!(names.short_names, Some(vec!["dpme".to_owned()]));
    let version = &definition.spec.versions[0];
    assert_eq!(
        (version.name.as_str(), version.served, version.storage),
        ("v1alpha1", true, true)
    );
    assert!(
        version
            .subresources
            .as_ref()
            .is_some_and(|subresources| subresources.status.is_some())
    );
}

#[test]
fn nothing_is_required_that_kongs_schemas_leave_out() {
    let schema = schema();
    assert_eq!(schema.required, None, "Kong's schema has an optional spec");
    assert_eq!(
        at(&schema, "spec").required,
        Some(vec!["serviceSelector".to_owned()])
    );
    assert_eq!(
        at(&schema, "spec.serviceSelector").required,
        None,
        "Gateway Operator 1.2 takes an empty selector"
    );
    assert_eq!(at(&schema, "spec.config").required, None);
    assert_eq!(at(&schema, "status").required, None);
    for place in ["", "spec", "spec.config", "spec.serviceSelector"] {
        let place = if place.is_empty() {
            &schema
        } else {
            at(&schema, place)
        };
        assert_eq!(place.x_kubernetes_validations, None);
    }
}

#[test]
fn defaults_and_lists_are_the_published_ones() {
    let schema = schema();
    for name in ["bandwidth", "latency", "statusCode", "upstreamHealth"] {
        let field = at(&schema, &format!("spec.config.{name}"));
        assert_eq!(field.type_.as_deref(), Some("boolean"));
        assert_eq!(
            field.default.as_ref().map(|default| &default.0),
            Some(&json!(false))
        );
    }
    assert_eq!(at(&schema, "spec").default, None);
    assert_eq!(
        at(&schema, "spec.config").default,
        None,
        "an absent config stays absent"
    );
    assert_eq!(at(&schema, "spec.serviceSelector").default, None);
    let names = at(&schema, "spec.serviceSelector.matchNames");
    assert_eq!(names.default, None);
    assert_eq!(names.x_kubernetes_list_type.as_deref(), Some("map"));
    assert_eq!(
        names.x_kubernetes_list_map_keys,
        Some(vec!["name".to_owned()])
    );
    let name = at(&schema, "status.controlPlaneRef.name");
    assert_eq!((name.min_length, name.max_length), (Some(1), Some(253)));
}

#[test]
fn stored_objects_of_all_shapes_are_read() {
    for object in [
        json!({"metadata": {"name": "bare"}}),
        json!({"metadata": {"name": "null"}, "spec": null}),
        json!({"metadata": {"name": "empty"}, "spec": {"serviceSelector": {}}}),
        json!({"metadata": {"name": "nulls"}, "spec": {"config": null, "serviceSelector": {"matchNames": null}}}),
        json!({"metadata": {"name": "part"}, "spec": {"config": {"latency": true}, "serviceSelector": {}}}),
        json!({"metadata": {"name": "more"}, "spec": {"serviceSelector": {}, "unknown": [1]}, "status": {"x": 1}}),
        json!({"metadata": {"name": "status"}, "status": {"controlPlaneRef": {"name": "kong"}}}),
    ] {
        serde_json::from_value::<DataPlaneMetricsExtension>(object.clone()).unwrap_or_else(
            |error| {
                panic!("{object} does not parse: {error}");
            },
        );
    }
}

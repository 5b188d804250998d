use super::*;

#[test]
fn every_service_of_a_capture_is_in_the_table() {
    for (capture, services, samples) in [("small", 9, 715), ("edge-valid", 13, 0)] {
        let work = Work::new(capture).unwrap();
        assert_eq!(work.services.len(), services, "{capture}");
        let named = work.expected.iter().filter(|sample| {
            sample
                .label(b"service")
                .is_some_and(|service| !service.is_empty())
        });
        let facts = work.facts();
        assert_eq!(named.count(), facts.enriched, "{capture}");
        assert!(facts.enriched > 500 && facts.samples >= samples.max(facts.enriched));
    }
}

#[test]
fn names_are_cut_as_the_rules_cut_them() {
    let work = Work::new("small").unwrap();
    let service = |kong: &str| {
        let (namespace, name) = &work.services[kong];
        format!("{namespace}/{name}")
    };
    assert_eq!(service("httproute.shop.svc.shop.cart.8080"), "shop/cart");
    assert_eq!(service("httproute.shop.storefront.1"), "shop/storefront");
    assert_eq!(service("default.echo.http"), "default/echo");
    let edge = Work::new("edge-valid").unwrap();
    assert_eq!(edge.services["a"], ("default".into(), "other".into()));
}

#[test]
fn only_what_the_table_names_changes() {
    let text = b"a{service=\"x\",le=\"1\"} 1\na{service=\"unknown\"} 2\nup 1\n";
    let services = BTreeMap::from([("x".into(), ("ns".into(), "name".into()))]);
    let mut samples = canonical::samples(text).unwrap();
    let before = samples.clone();
    for sample in &mut samples {
        enrich(sample, &services);
    }
    assert_eq!(samples[1..], before[1..]);
    assert_eq!(samples[0].label(b"kong_service"), Some(&b"x"[..]));
    assert_eq!(samples[0].label(b"service"), Some(&b"name"[..]));
    assert_eq!(samples[0].labels.len(), 8);
}

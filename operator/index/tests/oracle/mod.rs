//! What Kong Ingress Controller makes of a cluster, done naively: whole documents, one version and mode at a time.
//!
//! It shares no code with the index, and is written from what the controllers do, not from what the index does: it builds all
//! Kong services with their routes' backends, as a controller would, and says for each one where its traffic can go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tagalong_index::ObjectKind;

use crate::common::Thing;

/// A version of the controller and its settings, as far as they matter for names.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub http: Http,
    /// Whether the router is `expressions`, for GRPCRoutes.
    pub expressions: bool,
    pub ingress: IngressNames,
    /// Whether rules with different timeouts are different Kong services (Kong Operator 2.3).
    pub timeouts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Http {
    PerRoute,
    PerHost,
    Combined,
}

#[derive(Clone, Copy, Debug)]
pub enum IngressNames {
    Combined,
    PerIngress,
    Ports,
}

pub fn modes() -> Vec<Mode> {
    let mut modes = Vec::new();
    for http in [Http::PerRoute, Http::PerHost, Http::Combined] {
        for ingress in [
            IngressNames::Combined,
            IngressNames::PerIngress,
            IngressNames::Ports,
        ] {
            for expressions in [false, true] {
                for timeouts in [false, true] {
                    modes.push(Mode {
                        http,
                        expressions,
                        ingress,
                        timeouts,
                    });
                }
            }
        }
    }
    modes
}

/// One Kong service: its host, and where its traffic can go as `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KongService {
    pub host: String,
    pub reaches: BTreeSet<String>,
    /// Whether leaving the name out would be right, whatever it reaches.
    pub odd: bool,
}

type Services = BTreeMap<String, KongService>;

/// All Kong services of a cluster.
pub fn services(mode: Mode, things: &[Thing]) -> Services {
    let mut services = Services::new();
    http(mode, things, &mut services);
    for thing in things {
        match thing.kind {
            ObjectKind::GrpcRoute => plain(thing, "grpcroute", mode.expressions, &mut services),
            ObjectKind::TcpRoute => plain(thing, "tcproute", false, &mut services),
            ObjectKind::Ingress => ingress(mode, thing, &mut services),
            ObjectKind::Facade => {
                let name = format!("{}.{}.svc.facade", namespace(thing), name(thing));
                let service = thing.json["spec"]["backendRef"]["name"].as_str().unwrap();
                let service = BTreeSet::from([format!("{}/{service}", namespace(thing))]);
                add(&mut services, &name, &name, service, false);
            }
            _ => {}
        }
    }
    services
}

fn http(mode: Mode, things: &[Thing], services: &mut Services) {
    let mut routes: Vec<&Thing> = things
        .iter()
        .filter(|thing| thing.kind == ObjectKind::HttpRoute)
        .collect();
    routes.sort_by_key(|route| (namespace(route), name(route)));
    match mode.http {
        Http::PerRoute => {
            for route in routes {
                let mut groups: Vec<(Vec<String>, usize)> = Vec::new();
                for (index, rule) in rules(route).enumerate() {
                    let mut key: Vec<String> = refs(rule).map(defaulted).collect();
                    key.sort();
                    if mode.timeouts {
                        key.push(format!("{:?}", timeout(rule)));
                    }
                    if groups.iter().any(|(other, _)| *other == key) {
                        continue;
                    }
                    groups.push((key, index));
                    let name = format!("httproute.{}.{}.{index}", namespace(route), name(route));
                    add(
                        services,
                        &name,
                        &name,
                        reaches(rule, namespace(route)),
                        odd(rule),
                    );
                }
            }
        }
        Http::PerHost => {
            for route in routes {
                by_host(route, "httproute", services);
            }
        }
        Http::Combined => {
            let mut groups: BTreeMap<String, Vec<(&Thing, &Value)>> = BTreeMap::new();
            for route in routes {
                for rule in rules(route) {
                    let mut backends: Vec<String> = refs(rule)
                        .map(|backend| {
                            let namespace =
                                backend["namespace"].as_str().unwrap_or(namespace(route));
                            let mut name =
                                format!("{namespace}.{}", backend["name"].as_str().unwrap());
                            if let Some(port) = backend["port"].as_i64() {
                                name = format!("{name}.{port}");
                            }
                            // The API server's default.
                            format!("{name}.{}", backend["weight"].as_i64().unwrap_or(1))
                        })
                        .collect();
                    backends.sort();
                    let backends = if backends.is_empty() {
                        "_".to_owned()
                    } else {
                        backends.join("_")
                    };
                    let name = format!("httproute.{}.svc.{backends}", namespace(route));
                    groups.entry(name).or_default().push((route, rule));
                }
            }
            for (name, rules) in groups {
                combined(mode, &name, &rules, services);
            }
        }
    }
}

// The first rule's backends are the service's; later versions split a group whose timeouts differ.
fn combined(mode: Mode, name: &str, rules: &[(&Thing, &Value)], services: &mut Services) {
    let timeouts: BTreeSet<u64> = rules.iter().map(|(_, rule)| timeout(rule)).collect();
    if !mode.timeouts || timeouts.len() == 1 {
        // Which rule is first may differ between versions: all their backends count.
        for (route, rule) in rules {
            add(
                services,
                name,
                name,
                reaches(rule, namespace(route)),
                odd(rule),
            );
        }
        return;
    }
    for (route, rule) in rules {
        let name = match timeout(rule) {
            60_000 => name.to_owned(),
            other => format!("{name}.timeout.{other}"),
        };
        add(
            services,
            &name,
            &name,
            reaches(rule, namespace(route)),
            odd(rule),
        );
    }
}

fn plain(route: &Thing, kind: &str, hosts: bool, services: &mut Services) {
    if hosts {
        return by_host(route, kind, services);
    }
    for (index, rule) in rules(route).enumerate() {
        let name = format!("{kind}.{}.{}.{index}", namespace(route), name(route));
        add(
            services,
            &name,
            &name,
            reaches(rule, namespace(route)),
            odd(rule),
        );
    }
}

fn by_host(route: &Thing, kind: &str, services: &mut Services) {
    let none = vec![Value::from("_")];
    let hosts = route.json["spec"]["hostnames"]
        .as_array()
        .filter(|hosts| !hosts.is_empty())
        .unwrap_or(&none);
    for (index, rule) in rules(route).enumerate() {
        for host in hosts {
            let host = host.as_str().unwrap().replace('*', "_");
            let name = format!("{kind}.{}.{}.{host}.{index}", namespace(route), name(route));
            add(
                services,
                &name,
                &name,
                reaches(rule, namespace(route)),
                odd(rule),
            );
        }
    }
}

fn ingress(mode: Mode, ingress: &Thing, services: &mut Services) {
    let (ns, ing) = (namespace(ingress), name(ingress));
    let service = &ingress.json["spec"]["defaultBackend"]["service"];
    let svc = service["name"].as_str().unwrap();
    let (number, named) = (
        service["port"]["number"].as_i64(),
        service["port"]["name"].as_str(),
    );
    let port = number
        .map(|number| number.to_string())
        .or(named.map(str::to_owned))
        .unwrap();
    let legacy = number
        .map(|number| format!("pnum-{number}"))
        .or(named.map(|name| format!("pname-{name}")))
        .unwrap();
    let name = match mode.ingress {
        IngressNames::Combined => format!("{ns}.{svc}.{port}"),
        IngressNames::PerIngress => format!("{ns}.{ing}.{svc}.{port}"),
        IngressNames::Ports => format!("{ns}.{svc}.{legacy}"),
    };
    add(
        services,
        &name,
        &format!("{svc}.{ns}.{port}.svc"),
        BTreeSet::from([format!("{ns}/{svc}")]),
        false,
    );
}

fn add(services: &mut Services, name: &str, host: &str, reaches: BTreeSet<String>, odd: bool) {
    let service = services.entry(name.to_owned()).or_default();
    host.clone_into(&mut service.host);
    service.reaches.extend(reaches);
    service.odd |= odd;
}

// Everything but Services is dropped from a rule, and nothing goes to a backend of weight 0.
fn reaches(rule: &Value, namespace: &str) -> BTreeSet<String> {
    refs(rule)
        .filter(|backend| {
            backend["kind"]
                .as_str()
                .is_none_or(|kind| kind == "Service")
        })
        .filter(|backend| backend["weight"].as_i64() != Some(0))
        .map(|backend| {
            format!(
                "{}/{}",
                backend["namespace"].as_str().unwrap_or(namespace),
                backend["name"].as_str().unwrap()
            )
        })
        .collect()
}

// As the API server would store it, and so as the controllers compare it.
fn defaulted(backend: &Value) -> String {
    let mut backend = backend.clone();
    if backend["weight"].is_null() {
        backend["weight"] = Value::from(1);
    }
    backend.to_string()
}

// A later version might support other kinds, and a person might raise a weight of 0: leaving such names out is right too.
fn odd(rule: &Value) -> bool {
    refs(rule).any(|backend| {
        backend["kind"]
            .as_str()
            .is_some_and(|kind| kind != "Service")
    }) || refs(rule).all(|backend| backend["weight"].as_i64() == Some(0))
}

fn timeout(rule: &Value) -> u64 {
    match rule["timeouts"]["backendRequest"].as_str() {
        None | Some("60s") => 60_000,
        Some("0s") => 2_147_483_646,
        Some("500ms" | "0.5s") => 500,
        Some("1s") => 1_000,
        Some(other) => panic!("a timeout of {other}"),
    }
}

fn rules(route: &Thing) -> impl Iterator<Item = &Value> {
    route.json["spec"]["rules"].as_array().into_iter().flatten()
}

fn refs(rule: &Value) -> impl Iterator<Item = &Value> {
    rule["backendRefs"].as_array().into_iter().flatten()
}

fn namespace(thing: &Thing) -> &str {
    thing.json["metadata"]["namespace"].as_str().unwrap()
}

fn name(thing: &Thing) -> &str {
    thing.json["metadata"]["name"].as_str().unwrap()
}

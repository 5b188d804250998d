//! What Kong Ingress Controller makes of a cluster, done naively: whole documents, one version and mode at a time.
//!
//! It shares no code with the index, and is written from what the controllers do, not from what the index does: it builds all
//! Kong services with their routes' backends, as a controller would, and says for each one where its traffic can go.
//!
//! It is a second reading of the same sources, so a belief that was wrong in both would not be seen here (once it was so: that
//! weight 0 means no traffic, and that a reference needs no grant). What Kong's own translators answered is held against the
//! tables in `tests/tests/it/recorded.rs`; this is for orders of events and for clashes of names, which that recording has few of. It does not
//! know hashed names, nor TLS and UDP routes and TCP and UDP ingresses.

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
    /// KIC 2.12 without `CombinedRoutes`.
    PerRule,
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
    for http in [Http::PerRoute, Http::PerRule, Http::PerHost, Http::Combined] {
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
    pub reaches: Reaches,
}

/// Where one rule leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaches {
    /// The Services that may get its requests.
    pub traffic: BTreeSet<String>,
    /// The Services whose addresses are targets of its upstream.
    pub addresses: BTreeSet<String>,
    /// Whether leaving the name out would be right, whatever it reaches.
    pub odd: bool,
}

/// A cluster, as a controller sees it that watches some namespaces or all.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    pub things: &'a [Thing],
    pub watched: Option<&'a str>,
}

type Services = BTreeMap<String, KongService>;

/// All Kong services of a cluster.
pub fn services(mode: Mode, cluster: Cluster<'_>) -> Services {
    let mut services = Services::new();
    http(mode, cluster, &mut services);
    for thing in cluster.things {
        match thing.kind {
            ObjectKind::GrpcRoute => plain(cluster, thing, mode, &mut services),
            ObjectKind::TcpRoute => plain(cluster, thing, mode, &mut services),
            ObjectKind::Ingress => ingress(mode, thing, &mut services),
            ObjectKind::Facade => {
                let name = format!("{}.{}.svc.facade", namespace(thing), name(thing));
                let service = thing.json["spec"]["backendRef"]["name"].as_str().unwrap();
                let service = format!("{}/{service}", namespace(thing));
                add(&mut services, &name, &name, only(service));
            }
            _ => {}
        }
    }
    services
}

fn http(mode: Mode, cluster: Cluster<'_>, services: &mut Services) {
    let mut routes: Vec<&Thing> = cluster
        .things
        .iter()
        .filter(|thing| thing.kind == ObjectKind::HttpRoute)
        .collect();
    routes.sort_by_key(|route| (namespace(route), name(route)));
    match mode.http {
        Http::PerRoute | Http::PerRule => {
            for route in routes {
                let mut groups: Vec<(Vec<String>, usize)> = Vec::new();
                for (index, rule) in rules(route).enumerate() {
                    let mut key: Vec<String> = refs(rule).map(defaulted).collect();
                    key.sort();
                    if mode.timeouts {
                        key.push(format!("{:?}", timeout(rule)));
                    }
                    if mode.http == Http::PerRoute && groups.iter().any(|(other, _)| *other == key)
                    {
                        continue;
                    }
                    groups.push((key, index));
                    let name = format!("httproute.{}.{}.{index}", namespace(route), name(route));
                    add(services, &name, &name, reaches(cluster, route, rule));
                }
            }
        }
        Http::PerHost => {
            for route in routes {
                by_host(cluster, route, "httproute", false, services);
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
                combined(mode, cluster, &name, &rules, services);
            }
        }
    }
}

// The first rule's backends are the service's; later versions split a group whose timeouts differ.
fn combined(
    mode: Mode,
    cluster: Cluster<'_>,
    name: &str,
    rules: &[(&Thing, &Value)],
    services: &mut Services,
) {
    let timeouts: BTreeSet<u64> = rules.iter().map(|(_, rule)| timeout(rule)).collect();
    if !mode.timeouts || timeouts.len() == 1 {
        // Which rule is first may differ between versions: all their backends count.
        for (route, rule) in rules {
            add(services, name, name, reaches(cluster, route, rule));
        }
        return;
    }
    for (route, rule) in rules {
        let name = match timeout(rule) {
            60_000 => name.to_owned(),
            other => format!("{name}.timeout.{other}"),
        };
        add(services, &name, &name, reaches(cluster, route, rule));
    }
}

fn plain(cluster: Cluster<'_>, route: &Thing, mode: Mode, services: &mut Services) {
    let kind = match route.kind {
        ObjectKind::GrpcRoute => "grpcroute",
        _ => "tcproute",
    };
    if mode.expressions && route.kind == ObjectKind::GrpcRoute {
        // Kong Operator 2.3 has both: timeouts, and listeners' host names.
        return by_host(cluster, route, kind, mode.timeouts, services);
    }
    for (index, rule) in rules(route).enumerate() {
        let name = format!("{kind}.{}.{}.{index}", namespace(route), name(route));
        add(services, &name, &name, reaches(cluster, route, rule));
    }
}

fn by_host(
    cluster: Cluster<'_>,
    route: &Thing,
    kind: &str,
    inherits: bool,
    services: &mut Services,
) {
    let mut hosts: Vec<Value> = route.json["spec"]["hostnames"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if hosts.is_empty() && inherits {
        hosts = listeners(cluster, route);
    }
    if hosts.is_empty() {
        hosts.push(Value::from("_"));
    }
    for (index, rule) in rules(route).enumerate() {
        for host in &hosts {
            let host = host.as_str().unwrap().replace('*', "_");
            let name = format!("{kind}.{}.{}.{host}.{index}", namespace(route), name(route));
            add(services, &name, &name, reaches(cluster, route, rule));
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
        only(format!("{ns}/{svc}")),
    );
}

fn add(services: &mut Services, name: &str, host: &str, reaches: Reaches) {
    let service = services.entry(name.to_owned()).or_default();
    // Rules that are alike by name only, since names leave kinds out: Kong takes the backends of the first.
    let unlike = !service.host.is_empty() && service.reaches.traffic != reaches.traffic;
    service.reaches.odd |= unlike;
    host.clone_into(&mut service.host);
    service.reaches.traffic.extend(reaches.traffic);
    service.reaches.addresses.extend(reaches.addresses);
    service.reaches.odd |= reaches.odd;
}

fn only(service: String) -> Reaches {
    Reaches {
        traffic: BTreeSet::from([service.clone()]),
        addresses: BTreeSet::from([service]),
        odd: false,
    }
}

// The host names of the listeners of all its Gateways.
fn listeners(cluster: Cluster<'_>, route: &Thing) -> Vec<Value> {
    let mut hosts = Vec::new();
    for parent in route.json["spec"]["parentRefs"].as_array().unwrap() {
        let gateway = cluster.things.iter().find(|thing| {
            thing.kind == ObjectKind::Gateway
                && thing.json["metadata"]["name"] == parent["name"]
                && parent["kind"].is_null()
        });
        let spec = gateway.map(|gateway| &gateway.json["spec"]["listeners"]);
        let listeners = spec.and_then(Value::as_array).into_iter().flatten();
        hosts.extend(listeners.map(|listener| listener["hostname"].clone()));
    }
    hosts.retain(|host| !host.is_null());
    hosts
}

// Everything but Services that exist and may be referred to is dropped from a rule. Nothing goes to a backend of weight 0 if
// Kong goes around in circles; its addresses are targets in any case.
fn reaches(cluster: Cluster<'_>, route: &Thing, rule: &Value) -> Reaches {
    let mut reaches = Reaches::default();
    let (mut zero, mut circles, mut missing) = (BTreeSet::new(), true, false);
    for backend in refs(rule) {
        if backend["kind"]
            .as_str()
            .is_some_and(|kind| kind != "Service")
        {
            continue;
        }
        let target = backend["namespace"].as_str().unwrap_or(namespace(route));
        let name = backend["name"].as_str().unwrap();
        if cluster
            .watched
            .is_some_and(|all| all.split(',').all(|one| one != target))
        {
            // The index knows one cluster, not what each controller knows of it.
            reaches.odd = true;
            continue;
        }
        let service = cluster.things.iter().find(|thing| {
            thing.kind == ObjectKind::Service
                && (namespace(thing), self::name(thing)) == (target, name)
        });
        let Some(service) = service else {
            missing = true;
            continue;
        };
        if target != namespace(route) && !granted(cluster, route, target, name) {
            continue;
        }
        let service_name = format!("{target}/{name}");
        circles &= goes_in_circles(cluster, service);
        reaches.addresses.insert(service_name.clone());
        if backend["weight"].as_i64() == Some(0) {
            zero.insert(service_name);
        } else {
            reaches.traffic.insert(service_name);
        }
    }
    // The only Service that a rule names is its label even before it exists, and with a weight of 0: another reading may be
    // left out for it.
    reaches.odd |= reaches.traffic.is_empty() && (missing || !zero.is_empty());
    if !circles {
        reaches.traffic.extend(zero);
    }
    reaches
}

fn granted(cluster: Cluster<'_>, route: &Thing, target: &str, service: &str) -> bool {
    cluster.things.iter().any(|thing| {
        let spec = &thing.json["spec"];
        thing.kind == ObjectKind::Grant
            && namespace(thing) == target
            && spec["from"][0]["kind"] == route.kind.name()
            && spec["from"][0]["namespace"] == namespace(route)
            && (spec["to"][0]["name"].is_null() || spec["to"][0]["name"] == service)
    })
}

// A policy that is named and not there may come with any algorithm.
fn goes_in_circles(cluster: Cluster<'_>, service: &Thing) -> bool {
    let named = &service.json["metadata"]["annotations"]["konghq.com/upstream-policy"];
    let Some(named) = named.as_str() else {
        return true;
    };
    let policy = cluster.things.iter().find(|thing| {
        thing.kind == ObjectKind::UpstreamPolicy
            && (namespace(thing), name(thing)) == (namespace(service), named)
    });
    policy.is_some_and(|policy| {
        let algorithm = policy.json["spec"]["algorithm"].as_str();
        matches!(algorithm, None | Some("round-robin" | "consistent-hashing"))
    })
}

// As the API server would store it, and so as the controllers compare it.
fn defaulted(backend: &Value) -> String {
    let mut backend = backend.clone();
    if backend["weight"].is_null() {
        backend["weight"] = Value::from(1);
    }
    backend.to_string()
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

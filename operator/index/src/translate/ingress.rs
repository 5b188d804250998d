//! Names of Ingresses, facades, TCPIngresses and UDPIngresses.
//!
//! A name holds the port *as written*: `http` and `80` give two Kong services, though they may be one port of one Service.
//! Sources: KIC `subtranslator/ingress.go` (`generateKongServiceName`), `translate_ingress.go`, `translate_kong_l4.go`,
//! and for older forms KIC 2.12 `translate_ingress.go` (`serviceBackendPortToStr`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tagalong_crds::{BackendPort, Ingress, IngressBackend, KongServiceFacade, L4Spec};

use super::{
    backend::{self, Destination},
    claim::{Form, Roles},
    draft::Translation,
};
use crate::key::Interner;

pub(super) fn ingress(ingress: &Ingress, names: &mut Interner) -> Translation {
    let namespace = ingress.metadata.namespace.as_deref().unwrap_or_default();
    let name = ingress.metadata.name.as_deref().unwrap_or_default();
    let mut out = Translation::default();
    for (index, rule) in ingress.spec.rules.iter().enumerate() {
        for path in rule.http.iter().flat_map(|http| &http.paths) {
            path_backend(&path.backend, namespace, name, index, &mut out, names);
        }
    }
    if let Some(default) = &ingress.spec.default_backend {
        path_backend(default, namespace, name, 0, &mut out, names);
    }
    out
}

pub(super) fn facade(facade: &KongServiceFacade, names: &mut Interner) -> Translation {
    let namespace = facade.metadata.namespace.as_deref().unwrap_or_default();
    let name = facade.metadata.name.as_deref().unwrap_or_default();
    let target = backend::service(&names.key(namespace, &facade.spec.backend_ref.name));
    let mut out = Translation::default();
    out.claim(
        &format!("{namespace}.{name}.svc.facade"),
        target,
        Roles::BOTH,
        Form::Facade,
        0,
    );
    out
}

pub(super) fn l4(
    metadata: &ObjectMeta,
    spec: &L4Spec,
    suffix: &str,
    names: &mut Interner,
) -> Translation {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let mut out = Translation::default();
    for (index, rule) in spec.rules.iter().enumerate() {
        let (service, port) = (&rule.backend.service_name, rule.backend.service_port);
        let target = backend::service(&names.key(namespace, service));
        let destination = out.destination(Destination::Fixed(target));
        let name = format!("{namespace}.{service}.{port}{suffix}");
        let form = Form::L4Ingress;
        out.name(&name, destination, Roles::SERVICE, form, index);
        let upstream = format!("{service}.{namespace}.{port}.svc");
        out.name(&upstream, destination, Roles::UPSTREAM, form, index);
    }
    out
}

fn path_backend(
    backend: &IngressBackend,
    namespace: &str,
    ingress: &str,
    rule: usize,
    out: &mut Translation,
    names: &mut Interner,
) {
    // A KongServiceFacade in place of a Service claims its name itself.
    let Some(service) = &backend.service else {
        return;
    };
    let target = backend::service(&names.key(namespace, &service.name));
    let destination = out.destination(Destination::Fixed(target));
    let (port, legacy) = ports(&service.port);
    let service = &service.name;
    let mut claim = |name: String, roles, form| out.name(&name, destination, roles, form, rule);
    claim(
        format!("{namespace}.{service}.{port}"),
        Roles::SERVICE,
        Form::Ingress,
    );
    claim(
        format!("{service}.{namespace}.{port}.svc"),
        Roles::UPSTREAM,
        Form::Ingress,
    );
    claim(
        format!("{namespace}.{ingress}.{service}.{port}"),
        Roles::SERVICE,
        Form::IngressCombinedRoutes,
    );
    if let Some(legacy) = legacy {
        claim(
            format!("{namespace}.{service}.{legacy}"),
            Roles::SERVICE,
            Form::IngressLegacy,
        );
    }
}

/// A port as it stands in names, and as it stood before KIC 2.8.
fn ports(port: &BackendPort) -> (String, Option<String>) {
    match (
        port.name.as_deref().filter(|name| !name.is_empty()),
        port.number.filter(|number| *number != 0),
    ) {
        (Some(name), _) => (name.to_owned(), Some(format!("pname-{name}"))),
        (None, Some(number)) => (number.to_string(), Some(format!("pnum-{number}"))),
        (None, None) => ("implicitPort".to_owned(), None),
    }
}

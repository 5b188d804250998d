//! Objects from manifests, for those who have files and no cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tagalong_crds as crds;
use tagalong_crds::{DataPlaneRef, GATEWAY_API, Kind};
use tagalong_wire::contract::{INJECT_ENABLED, INJECT_LABEL};

use crate::{for_each_kind, key::Key, object::Object};

/// What Kong's operators call themselves in the GatewayClasses that are theirs. Kong Ingress Controller alone, which is another,
/// runs no DataPlane (Kong/kong-operator `pkg/vars`).
const OPERATORS: &str = "konghq.com/gateway-operator";

/// Where objects live whose manifests name no namespace.
const DEFAULT_NAMESPACE: &str = "default";

/// What manifests hold.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The objects of kinds that the index knows.
    pub objects: Vec<Object>,
    /// What could not be read, by kind and name, and why.
    pub problems: Vec<String>,
    /// How many documents of other kinds there are, by `apiVersion` and kind.
    pub passed_over: BTreeMap<String, usize>,
    gateways: Vec<crds::Gateway>,
    classes: Vec<crds::GatewayClass>,
    configurations: Vec<crds::GatewayConfiguration>,
}

impl Manifests {
    /// Reads documents, lists among them. Documents of other kinds are counted only.
    pub fn read(documents: impl IntoIterator<Item = Value>) -> Self {
        let mut manifests = Self::default();
        for document in documents {
            manifests.document(document);
        }
        manifests
    }

    /// Adds what Kong's operators would make of the Gateways: for each one of theirs a ControlPlane and a DataPlane of its
    /// name, with the extensions and namespaces that its GatewayConfiguration names. Where the manifests hold a DataPlane of
    /// the Gateway, nothing is added.
    #[must_use]
    pub fn with_operators(mut self) -> Self {
        let owned: BTreeSet<Key> = self.objects.iter().filter_map(owner).collect();
        let mut made = Vec::new();
        for gateway in &self.gateways {
            let key = Key::new(gateway.namespace().unwrap_or_default(), gateway.name_any());
            let class = self
                .classes
                .iter()
                .find(|class| class.name_any() == gateway.spec.gateway_class_name);
            let Some(class) = class.filter(|class| class.spec.controller_name == OPERATORS) else {
                continue;
            };
            if !owned.contains(&key) {
                made.extend(operate(gateway, self.configuration(class)));
            }
        }
        self.objects.extend(made);
        self
    }

    fn document(&mut self, mut document: Value) {
        if let Some(items) = document.get_mut("items").map(Value::take) {
            for item in items.as_array().into_iter().flatten() {
                self.document(item.clone());
            }
            return;
        }
        let text = |key: &str| {
            document
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (version, kind) = (text("apiVersion"), text("kind"));
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if group == crds::Gateway::GROUP && kind == crds::Gateway::KIND {
            let gateway = self.object::<crds::Gateway>(document);
            self.gateways.extend(gateway.clone());
            self.objects.extend(gateway.map(Object::from));
            return;
        }
        if group == crds::GatewayClass::GROUP && kind == crds::GatewayClass::KIND {
            let class = self.object(document);
            self.classes.extend(class);
            return;
        }
        if group == crds::GatewayConfiguration::GROUP && kind == crds::GatewayConfiguration::KIND {
            let configuration = self.object::<crds::GatewayConfiguration>(document);
            self.configurations.extend(configuration.clone());
            self.objects.extend(configuration.map(Object::from));
            return;
        }
        macro_rules! known {
            ($($name:ident($type:ident) $written:ident,)+) => {
                $(if group == crds::$type::GROUP && kind == crds::$type::KIND {
                    let object = self.object::<crds::$type>(document);
                    self.objects.extend(object.map(Object::from));
                    return;
                })+
            };
        }
        for_each_kind!(known);
        *self
            .passed_over
            .entry(format!("{version} {kind}"))
            .or_default() += 1;
    }

    fn object<K: Kind + Resource + DeserializeOwned>(&mut self, document: Value) -> Option<K> {
        let text = |path: &str| {
            let text = document.pointer(path).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let object = if name.is_empty() {
            Err("it has no name".to_owned())
        } else {
            serde_json::from_value::<K>(document).map_err(|error| error.to_string())
        };
        match object {
            Ok(mut object) => {
                if K::NAMESPACED && object.meta().namespace.is_none() {
                    object.meta_mut().namespace = Some(DEFAULT_NAMESPACE.to_owned());
                }
                Some(object)
            }
            Err(error) => {
                let slash = if namespace.is_empty() { "" } else { "/" };
                let problem = format!("{} {namespace}{slash}{name}: {error}", K::KIND);
                self.problems.push(problem);
                None
            }
        }
    }

    // What the GatewayConfiguration of a class says of ControlPlanes.
    fn configuration(&self, class: &crds::GatewayClass) -> crds::ControlPlaneSpec {
        let mut control_plane = crds::ControlPlaneSpec::default();
        let wanted = class.spec.parameters_ref.as_ref();
        let found = self.configurations.iter().find(|configuration| {
            wanted.is_some_and(|wanted| {
                configuration.name_any() == wanted.name
                    && configuration.namespace() == wanted.namespace
            })
        });
        let Some(spec) = found.map(|configuration| &configuration.spec) else {
            return control_plane;
        };
        let options = spec.control_plane_options.as_ref();
        control_plane.watch_namespaces =
            options.and_then(|options| options.watch_namespaces.clone());
        let more = options.map(|options| &options.extensions);
        for extension in spec.extensions.iter().chain(more.into_iter().flatten()) {
            if !control_plane.extensions.contains(extension) {
                control_plane.extensions.push(extension.clone());
            }
        }
        control_plane
    }
}

fn operate(gateway: &crds::Gateway, configured: crds::ControlPlaneSpec) -> [Object; 2] {
    let metadata = ObjectMeta {
        name: Some(gateway.name_any()),
        namespace: gateway.namespace(),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{GATEWAY_API}/v1"),
            kind: crds::Gateway::KIND.to_owned(),
            name: gateway.name_any(),
            uid: gateway.uid().unwrap_or_default(),
            controller: Some(true),
            ..OwnerReference::default()
        }]),
        ..ObjectMeta::default()
    };
    let mut dataplane = crds::DataPlane {
        metadata: metadata.clone(),
        ..crds::DataPlane::default()
    };
    if !configured.extensions.is_empty() {
        dataplane
            .labels_mut()
            .insert(INJECT_LABEL.to_owned(), INJECT_ENABLED.to_owned());
    }
    let spec = crds::ControlPlaneSpec {
        dataplane: Some(DataPlaneRef::Name(gateway.name_any())),
        ..configured
    };
    [
        dataplane.into(),
        crds::ControlPlane {
            metadata,
            spec,
            ..crds::ControlPlane::default()
        }
        .into(),
    ]
}

// The Gateway that a DataPlane belongs to.
fn owner(object: &Object) -> Option<Key> {
    let Object::DataPlane(dataplane) = object else {
        return None;
    };
    let owner = dataplane
        .owner_references()
        .iter()
        .find(|owner| owner.kind == crds::Gateway::KIND)?;
    Some(Key::new(
        dataplane.namespace().unwrap_or_default(),
        owner.name.as_str(),
    ))
}

//! Objects from manifests, for those who have files and no cluster.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tagalong_crds as crds;
use tagalong_crds::{DataPlaneRef, ExtensionRef, GATEWAY_API, Kind};
use tagalong_wire::contract::{INJECT_ENABLED, INJECT_LABEL};

use crate::{for_each_kind, key::Key, object::Object};

/// Where objects live whose manifests name no namespace.
const DEFAULT_NAMESPACE: &str = "default";

/// What manifests hold.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The objects of kinds that the index knows.
    pub objects: Vec<Object>,
    /// What could not be read, by kind and name, and why.
    pub problems: Vec<String>,
    gateways: Vec<crds::Gateway>,
    classes: Vec<crds::GatewayClass>,
    configurations: Vec<crds::GatewayConfiguration>,
}

impl Manifests {
    /// Reads documents, lists among them. Documents of other kinds are passed over.
    pub fn read(documents: impl IntoIterator<Item = Value>) -> Self {
        let mut manifests = Self::default();
        for document in documents {
            manifests.document(document);
        }
        manifests
    }

    /// Adds what Kong's operators would make of the Gateways: for each one of theirs a ControlPlane and a DataPlane of its
    /// name, attached to the extensions that its GatewayConfiguration names. Where the manifests hold a DataPlane of the
    /// Gateway, nothing is added.
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
            let kongs =
                class.is_some_and(|class| class.spec.controller_name.starts_with("konghq.com/"));
            if kongs && !owned.contains(&key) {
                let extensions = class
                    .map(|class| self.extensions(class))
                    .unwrap_or_default();
                made.extend(operate(gateway, extensions));
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

    fn extensions(&self, class: &crds::GatewayClass) -> Vec<ExtensionRef> {
        let Some(wanted) = &class.spec.parameters_ref else {
            return Vec::new();
        };
        let found = self.configurations.iter().find(|configuration| {
            configuration.name_any() == wanted.name && configuration.namespace() == wanted.namespace
        });
        let specs = found.map(|configuration| &configuration.spec);
        let options = specs
            .and_then(|spec| spec.control_plane_options.as_ref())
            .map(|options| &options.extensions);
        let mut extensions = Vec::new();
        for extension in specs
            .map(|spec| &spec.extensions)
            .into_iter()
            .chain(options)
            .flatten()
        {
            if !extensions.contains(extension) {
                extensions.push(extension.clone());
            }
        }
        extensions
    }
}

fn operate(gateway: &crds::Gateway, extensions: Vec<ExtensionRef>) -> [Object; 2] {
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
    if !extensions.is_empty() {
        dataplane
            .labels_mut()
            .insert(INJECT_LABEL.to_owned(), INJECT_ENABLED.to_owned());
    }
    let spec = crds::ControlPlaneSpec {
        dataplane: Some(DataPlaneRef::Name(gateway.name_any())),
        extensions,
        ..crds::ControlPlaneSpec::default()
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

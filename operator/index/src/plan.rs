//! What an extension wants done to plugins and Services, and what is refused, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use serde_json::Value;
use tagalong_crds::MetricsConfig;

use crate::{
    Index, annotation,
    key::{Key, Name},
    object::Source,
    plugins::{Owner, PROMETHEUS, PluginConfig, plugin_name},
    topology::Attachment,
};

/// What one extension wants. Objects of an earlier plan that are not in this one are to be left as they were found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The extension.
    pub extension: Key,
    /// The extension as it was seen; none if there is none, or if it is being deleted: then nothing is wanted.
    pub seen: Option<Seen>,
    /// Where it is attached, in order; the first is what its status names.
    pub attachments: Vec<Attachment>,
    /// GatewayConfigurations that name it, though no ControlPlane that they made does yet.
    pub pending: Vec<Key>,
    /// All GatewayConfigurations that name it.
    pub sources: Vec<Key>,
    /// The managed plugins, at most one in a namespace, and only where a Service wants one.
    pub plugins: Vec<PluginPlan>,
    /// The selected Services, in order.
    pub services: Vec<ServicePlan>,
}

/// An extension as it was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its UID.
    #[serde(skip)]
    pub uid: Option<Name>,
    /// Its generation.
    pub generation: i64,
    /// Which metrics it wants.
    pub config: MetricsConfig,
}

/// A managed plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginPlan {
    /// Its name.
    pub key: Key,
    /// Its settings.
    pub config: PluginConfig,
}

/// A selected Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// The Service.
    pub service: Key,
    /// What is to become of it.
    pub outcome: PlanOutcome,
}

/// What is to become of a selected Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlanOutcome {
    /// Its `konghq.com/plugins` is to name this plugin.
    Plugin(String),
    /// There is no such Service yet.
    Missing,
    /// It is to be left alone.
    Refused(PlanRefusal),
}

/// Why a Service is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlanRefusal {
    /// Another extension selects it as well, and came first.
    OtherExtension(Key),
    /// It names a prometheus plugin of its own, and Kong takes one for each Service.
    OwnPlugin(String),
    /// There is a KongPlugin of the managed plugin's name that is not ours.
    NameTaken(String),
    /// Kong Operator's built-in controller of extensions manages this plugin in the namespace.
    BuiltInController(Key),
    /// A global prometheus plugin has settings in a Secret: the managed plugin would hide them.
    GlobalPluginUnreadable(#[serde(serialize_with = "crate::key::text")] Name),
    /// A rule sends traffic to it and to this Service, which cannot be annotated alike.
    Fellow {
        /// The other Service.
        fellow: Key,
        /// The object with the rule.
        rule: Option<Source>,
        /// Why the other one cannot.
        because: FellowProblem,
    },
}

/// Why a Service cannot be annotated like its fellows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FellowProblem {
    /// The extension does not select it.
    NotSelected,
    /// It does not exist: when it comes it would lack the annotation for a while.
    Missing,
    /// Its `konghq.com/…` annotations differ.
    OtherAnnotations,
    /// It is refused itself.
    Refused,
}

impl Index {
    /// What an extension wants done.
    #[must_use]
    pub fn plan(&self, extension: &Key) -> Plan {
        let record = self
            .records
            .extensions
            .get(extension)
            .filter(|record| !record.deleting);
        let attachments = self
            .topology
            .attachments
            .get(extension)
            .cloned()
            .unwrap_or_default();
        let mut plan = Plan {
            extension: extension.clone(),
            seen: record.map(|record| Seen {
                uid: record.uid.clone(),
                generation: record.generation,
                config: record.config,
            }),
            pending: if attachments.is_empty() {
                self.pending(extension)
            } else {
                Vec::new()
            },
            attachments,
            sources: self.configurations_of(extension).cloned().collect(),
            plugins: Vec::new(),
            services: Vec::new(),
        };
        let Some(record) = record else { return plan };
        let globals = self
            .plugins
            .cluster
            .values()
            .filter_map(|plugin| plugin.global.as_ref()?.as_ref());
        let config = PluginConfig::merged(record.config, globals);
        let namespaces: BTreeSet<&Name> = plan
            .attachments
            .iter()
            .map(|attachment| &attachment.namespace)
            .collect();
        let mut outcomes = BTreeMap::new();
        for namespace in namespaces {
            let plugin = plugin_name(extension, namespace);
            let refused = self.refused_everywhere(namespace, &plugin);
            for name in &record.names {
                let service = Key {
                    namespace: Name::clone(namespace),
                    name: Name::clone(name),
                };
                let outcome = self.alone(extension, &service, &plugin, refused.as_ref());
                outcomes.insert(service, outcome);
            }
        }
        self.with_fellows(&mut outcomes);
        for (service, outcome) in &outcomes {
            let PlanOutcome::Plugin(plugin) = outcome else {
                continue;
            };
            let key = Key {
                namespace: Name::clone(&service.namespace),
                name: Name::from(plugin.as_str()),
            };
            if plan.plugins.iter().all(|planned| planned.key != key) {
                plan.plugins.push(PluginPlan {
                    key,
                    config: config.clone(),
                });
            }
        }
        plan.services = outcomes
            .into_iter()
            .map(|(service, outcome)| ServicePlan { service, outcome })
            .collect();
        plan
    }

    /// The extensions that there are, or that something refers to.
    pub fn extensions(&self) -> impl Iterator<Item = &Key> {
        let all: BTreeSet<&Key> = self
            .records
            .extensions
            .keys()
            .chain(self.topology.attachments.keys())
            .collect();
        all.into_iter()
    }

    /// Whether Kong counts the latency of a Service that no extension selects: a global prometheus plugin does, unless the Service
    /// names one of its own, which hides it.
    #[must_use]
    pub fn is_latency_counted_everywhere(&self, service: &Key) -> bool {
        let globals = self.plugins.cluster.values();
        let counted = globals
            .filter_map(|plugin| plugin.global.as_ref()?.as_ref())
            .any(|config| config.get("latency_metrics") == Some(&Value::Bool(true)));
        let record = self.referents.services.get(service);
        let listed = record.and_then(|record| record.annotations.get(annotation::PLUGINS));
        let listed = listed.map(|value| &**value).unwrap_or_default();
        let hidden = annotation::items(listed).any(|item| self.is_own(item, &service.namespace));
        counted && !hidden
    }

    /// The Gateway that a DataPlane serves, if it was made for one.
    #[must_use]
    pub fn served_gateway(&self, dataplane: &Key) -> Option<&Key> {
        self.records.dataplanes.get(dataplane)?.gateway.as_ref()
    }

    /// The GatewayConfigurations that name an extension which exists; Kong's operators copy the name to the ControlPlanes that
    /// they make. A reference without a namespace means that of the Gateway.
    pub fn configurations_of(&self, extension: &Key) -> impl Iterator<Item = &Key> {
        let attachments = self.topology.attachments.get(extension);
        let is_of_gateway = attachments.into_iter().flatten().any(|one| {
            let dataplane = one.dataplane.as_ref();
            dataplane
                .and_then(|key| self.records.dataplanes.get(key))
                .is_some_and(|dataplane| dataplane.gateway.is_some())
        });
        let record = self.records.extensions.get(extension);
        let exists = record.is_some_and(|record| !record.deleting);
        let names = move |key: &Key, (namespace, name): &(Option<Name>, Name)| {
            let here = match namespace {
                Some(namespace) => *namespace == extension.namespace,
                None => is_of_gateway || key.namespace == extension.namespace,
            };
            exists && here && *name == extension.name
        };
        let configurations = self.records.configurations.iter();
        configurations
            .filter(move |(key, one)| one.extensions.iter().any(|reference| names(key, reference)))
            .map(|(key, _)| key)
    }

    // Why no Service of a namespace can have the plugin.
    fn refused_everywhere(&self, namespace: &Name, plugin: &str) -> Option<PlanRefusal> {
        if let Some(built_in) = self.built_in(namespace) {
            return Some(PlanRefusal::BuiltInController(built_in.clone()));
        }
        let key = Key {
            namespace: Name::clone(namespace),
            name: Name::from(plugin),
        };
        if self
            .plugins
            .namespaced
            .get(&key)
            .is_some_and(|plugin| plugin.owner != Owner::Tagalong)
        {
            return Some(PlanRefusal::NameTaken(plugin.to_owned()));
        }
        let mut globals = self.plugins.cluster.iter();
        let (unreadable, _) = globals.find(|(_, plugin)| plugin.global == Some(None))?;
        Some(PlanRefusal::GlobalPluginUnreadable(Name::clone(unreadable)))
    }

    // What is to become of a Service for reasons of its own.
    fn alone(
        &self,
        extension: &Key,
        service: &Key,
        plugin: &str,
        refused: Option<&PlanRefusal>,
    ) -> PlanOutcome {
        let first = self
            .topology
            .selected
            .get(service)
            .and_then(BTreeSet::first);
        if let Some(first) = first.filter(|first| *first != extension) {
            return PlanOutcome::Refused(PlanRefusal::OtherExtension(first.clone()));
        }
        let Some(record) = self.referents.services.get(service) else {
            return PlanOutcome::Missing;
        };
        if let Some(refusal) = refused {
            return PlanOutcome::Refused(refusal.clone());
        }
        let listed = record
            .annotations
            .get(annotation::PLUGINS)
            .map(|value| &**value)
            .unwrap_or_default();
        let own = annotation::items(listed).find(|item| self.is_own(item, &service.namespace));
        match own {
            Some(own) => PlanOutcome::Refused(PlanRefusal::OwnPlugin(own.to_owned())),
            None => PlanOutcome::Plugin(plugin.to_owned()),
        }
    }

    // A Service is annotated together with all its fellows, or not at all.
    fn with_fellows(&self, outcomes: &mut BTreeMap<Key, PlanOutcome>) {
        let mut refused = Vec::new();
        for (service, outcome) in &*outcomes {
            let PlanOutcome::Plugin(plugin) = outcome else {
                continue;
            };
            let fellows = self.fellows.of(service);
            let problem = fellows
                .iter()
                .filter(|(fellow, _)| *fellow != service)
                .find_map(|(fellow, rule)| {
                    let because = match outcomes.get(fellow) {
                        None => FellowProblem::NotSelected,
                        Some(PlanOutcome::Missing) => FellowProblem::Missing,
                        Some(PlanOutcome::Refused(_)) => FellowProblem::Refused,
                        Some(PlanOutcome::Plugin(other))
                            if self.alike(service, plugin, fellow, other) =>
                        {
                            return None;
                        }
                        Some(PlanOutcome::Plugin(_)) => FellowProblem::OtherAnnotations,
                    };
                    Some(PlanRefusal::Fellow {
                        fellow: fellow.clone(),
                        rule: rule.cloned(),
                        because,
                    })
                });
            if let Some(refusal) = problem {
                refused.push((service.clone(), refusal));
            }
        }
        for (service, refusal) in refused {
            outcomes.insert(service, PlanOutcome::Refused(refusal));
        }
    }

    // Whether two Services would have the same `konghq.com/…` annotations.
    fn alike(&self, one: &Key, plugin: &str, other: &Key, other_plugin: &str) -> bool {
        let after = |service: &Key, plugin: &str| {
            let mut annotations = self.referents.services.get(service)?.annotations.clone();
            let value = annotations.remove(annotation::PLUGINS);
            let without = annotation::without(value.as_deref(), plugin);
            Some((annotations, annotation::with(without.as_deref(), plugin)))
        };
        plugin == other_plugin && after(one, plugin) == after(other, other_plugin)
    }

    // Whether an item of a Service's annotation is a prometheus plugin that is not ours.
    fn is_own(&self, item: &str, namespace: &Name) -> bool {
        let key = match item.split_once(':') {
            Some((namespace, name)) => Key::new(namespace, name),
            None => Key {
                namespace: Name::clone(namespace),
                name: Name::from(item),
            },
        };
        match self.plugins.namespaced.get(&key) {
            Some(plugin) => plugin.prometheus && plugin.owner != Owner::Tagalong,
            // Kong looks for a KongClusterPlugin of the name where there is no KongPlugin.
            None => self
                .plugins
                .cluster
                .get(item)
                .is_some_and(|plugin| plugin.prometheus),
        }
    }

    fn built_in(&self, namespace: &Name) -> Option<&Key> {
        let plugins = self.plugins.namespaced.iter();
        plugins
            .filter(|(key, plugin)| key.namespace == *namespace && plugin.owner == Owner::BuiltIn)
            .map(|(key, _)| key)
            .min()
    }

    fn pending(&self, extension: &Key) -> Vec<Key> {
        let configurations = self.records.configurations.iter();
        configurations
            .filter(|(key, configuration)| {
                configuration.extensions.iter().any(|(namespace, name)| {
                    *name == extension.name
                        && *namespace.as_ref().unwrap_or(&key.namespace) == extension.namespace
                })
            })
            .map(|(key, _)| key.clone())
            .collect()
    }
}

impl fmt::Display for PlanOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(plugin) => write!(f, "gets the plugin {plugin}"),
            Self::Missing => f.write_str("does not exist"),
            Self::Refused(refusal) => write!(f, "is not annotated: {refusal}"),
        }
    }
}

impl fmt::Display for PlanRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherExtension(other) => {
                write!(
                    f,
                    "DataPlaneMetricsExtension {other} selects it too; remove it from one of the two"
                )
            }
            Self::OwnPlugin(plugin) => write!(
                f,
                "it already names the {PROMETHEUS} plugin {plugin}, and Kong applies one per Service; remove that one, or do not select the Service"
            ),
            Self::NameTaken(plugin) => {
                write!(
                    f,
                    "KongPlugin {plugin} exists and was not created by tagalong; rename it or the extension"
                )
            }
            Self::BuiltInController(plugin) => write!(
                f,
                "Kong Operator's built-in extension controller created KongPlugin {plugin}; switch that controller off \
                 (KONG_OPERATOR_ENABLE_CONTROLLER_CONTROLPLANEEXTENSIONS=false) and delete what it left behind"
            ),
            Self::GlobalPluginUnreadable(plugin) => write!(
                f,
                "the global KongClusterPlugin {plugin} takes settings from a Secret, which a plugin on the Service would override; \
                 write them into its config"
            ),
            Self::Fellow {
                fellow,
                rule,
                because,
            } => {
                let rule: &dyn fmt::Display = match rule {
                    Some(rule) => rule,
                    None => &"a rule",
                };
                write!(f, "{rule} sends traffic to it and to Service {fellow}, ")?;
                f.write_str(match because {
                    FellowProblem::NotSelected => "which the extension does not select; Kong drops the rule unless both have the same annotations",
                    FellowProblem::Missing => "which does not exist; Kong would drop the rule if it were created without the annotation",
                    FellowProblem::OtherAnnotations => "whose konghq.com annotations differ; Kong drops rules with such Services",
                    FellowProblem::Refused => "which is itself not annotated; Kong drops the rule unless both have the same annotations",
                })
            }
        }
    }
}

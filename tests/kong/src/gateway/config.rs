//! A declarative configuration: validated, completed with defaults, and typed.

pub(crate) mod plugins;
pub(crate) mod schema;
pub(crate) mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::id;
use validate::{Entities, Refusal};

/// `configuration_hash` of a Kong that has nothing (`kong/constants.lua`).
pub(crate) const EMPTY_HASH: &str = "00000000000000000000000000000000";

/// A reference to another entity, after validation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) id: String,
}

/// Where a request goes. Times in milliseconds.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) protocol: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: Option<String>,
    pub(crate) retries: u32,
    pub(crate) connect_timeout: u64,
    pub(crate) read_timeout: u64,
    pub(crate) enabled: bool,
}

impl Service {
    /// As Kong's metrics call it (`kong/plugins/prometheus/exporter.lua`).
    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.host)
    }
}

/// Which requests go there.
#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) service: Option<Reference>,
    pub(crate) protocols: Vec<String>,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    pub(crate) paths: Vec<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) snis: Vec<String>,
    pub(crate) https_redirect_status_code: u16,
    pub(crate) regex_priority: i64,
    pub(crate) strip_path: bool,
    pub(crate) preserve_host: bool,
}

impl Route {
    /// As Kong's metrics call it.
    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// Addresses behind a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Upstream {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) healthchecks: Option<Value>,
    #[serde(skip)]
    pub(crate) targets: Vec<Target>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) target: String,
    pub(crate) weight: u32,
    upstream: Reference,
}

/// A plugin, and what it is attached to: nothing means everything.
#[derive(Debug, Deserialize)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) config: Map<String, Value>,
    pub(crate) enabled: bool,
    pub(crate) protocols: Vec<String>,
    pub(crate) service: Option<Reference>,
    pub(crate) route: Option<Reference>,
    pub(crate) consumer: Option<Reference>,
    pub(crate) consumer_group: Option<Reference>,
}

/// Somebody who asks.
#[derive(Debug, Deserialize)]
pub(crate) struct Consumer {
    pub(crate) id: String,
    pub(crate) username: Option<String>,
}

/// What a consumer is known by.
#[derive(Debug, Deserialize)]
pub(crate) struct Credential {
    pub(crate) key: Option<String>,
    pub(crate) consumer: Reference,
}

/// A certificate and its names.
#[derive(Debug, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A name that a client asks for by SNI.
#[derive(Debug, Deserialize)]
pub(crate) struct Sni {
    pub(crate) name: String,
    pub(crate) certificate: Option<Reference>,
}

/// A configuration that Kong would accept.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) hash: String,
    pub(crate) services: BTreeMap<String, Arc<Service>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) plugins: Vec<Arc<Plugin>>,
    pub(crate) consumers: BTreeMap<String, Arc<Consumer>>,
    pub(crate) credentials: BTreeMap<String, String>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) snis: Vec<Sni>,
    pub(crate) entities: Entities,
}

impl Config {
    /// What a Kong has before the first `POST /config`.
    pub(crate) fn empty() -> Self {
        Self {
            hash: EMPTY_HASH.to_owned(),
            services: BTreeMap::new(),
            routes: Vec::new(),
            upstreams: BTreeMap::new(),
            plugins: Vec::new(),
            consumers: BTreeMap::new(),
            credentials: BTreeMap::new(),
            certificates: Vec::new(),
            snis: Vec::new(),
            entities: Entities::new(),
        }
    }

    /// Checks and completes a declarative configuration.
    pub(crate) fn load(
        document: &Value,
        known_plugins: &BTreeSet<String>,
    ) -> Result<Self, Refusal> {
        let entities = validate::validate(document, known_plugins)?;
        let empty = entities.values().all(Vec::is_empty);
        let hash = if empty {
            EMPTY_HASH.to_owned()
        } else {
            id::digest(document.to_string().as_bytes())
        };
        let mut refusal = Refusal::default();
        let config = Self::typed(&entities, hash, &mut refusal);
        if refusal.fields.is_empty() {
            Ok(Self { entities, ..config })
        } else {
            Err(refusal)
        }
    }

    fn typed(entities: &Entities, hash: String, refusal: &mut Refusal) -> Self {
        let upstreams: Vec<Upstream> = read(entities, "upstreams", refusal);
        let targets: Vec<Target> = read(entities, "targets", refusal);
        let upstreams = upstreams.into_iter().map(|mut upstream| {
            upstream.targets = targets
                .iter()
                .filter(|target| target.upstream.id == upstream.id)
                .cloned()
                .collect();
            (upstream.name.clone(), upstream)
        });
        let credentials: Vec<Credential> = read(entities, "keyauth_credentials", refusal);
        Self {
            hash,
            services: by_id(read(entities, "services", refusal), |service: &Service| {
                &service.id
            }),
            routes: read(entities, "routes", refusal)
                .into_iter()
                .map(Arc::new)
                .collect(),
            upstreams: upstreams.collect(),
            plugins: read(entities, "plugins", refusal)
                .into_iter()
                .map(Arc::new)
                .collect(),
            consumers: by_id(
                read(entities, "consumers", refusal),
                |consumer: &Consumer| &consumer.id,
            ),
            credentials: credentials
                .into_iter()
                .filter_map(|credential| Some((credential.key?, credential.consumer.id)))
                .collect(),
            certificates: read(entities, "certificates", refusal),
            snis: read(entities, "snis", refusal),
            entities: Entities::new(),
        }
    }

    /// The consumer with this key.
    pub(crate) fn consumer_by_key(&self, key: &str) -> Option<&Arc<Consumer>> {
        self.consumers.get(self.credentials.get(key)?)
    }

    /// The consumer with this id or username.
    pub(crate) fn consumer(&self, name: &str) -> Option<&Arc<Consumer>> {
        let by_name = || {
            self.consumers
                .values()
                .find(|consumer| consumer.username.as_deref() == Some(name))
        };
        self.consumers.get(name).or_else(by_name)
    }
}

fn by_id<T>(list: Vec<T>, id: impl Fn(&T) -> &String) -> BTreeMap<String, Arc<T>> {
    list.into_iter()
        .map(|entity| (id(&entity).clone(), Arc::new(entity)))
        .collect()
}

/// What passed validation and still does not fit its type is a refusal too, not a panic.
fn read<T: DeserializeOwned>(entities: &Entities, plural: &str, refusal: &mut Refusal) -> Vec<T> {
    let mut list = Vec::new();
    for entity in entities.get(plural).into_iter().flatten() {
        match serde_json::from_value(Value::Object(entity.clone())) {
            Ok(typed) => list.push(typed),
            Err(error) => {
                refusal
                    .fields
                    .insert(plural.to_owned(), Value::String(error.to_string()));
            }
        }
    }
    list
}

#[cfg(test)]
mod tests;

//! The published example, and the label table that it must give.
//!
//! What the operator must come to is computed here in its own way, by the rule of Kong Ingress Controller for an
//! HTTPRoute: rule *i* of route *r* in namespace *n* is the Kong service, and upstream, `httproute.n.r.i`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Failure;

/// A Kubernetes Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What the example says about names.
#[derive(Debug, Default)]
pub struct Table {
    /// Kong service name to the one Service it stands for.
    pub services: BTreeMap<String, Service>,
    /// Kong service names whose traffic is split, and over whom: they get no labels.
    pub split: BTreeMap<String, Vec<String>>,
}

/// Where the example lies in this source tree.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/published-example")
}

/// The documents in one of its files.
pub fn documents(file: &str) -> Result<Vec<Value>, Failure> {
    let path = folder().join(file);
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
    Ok(serde_saphyr::from_multiple(&text).map_err(|error| named(&error))?)
}

/// The table that it stands for.
pub fn table() -> Result<Table, Failure> {
    let mut table = Table::default();
    for file in ["gateway.yaml", "multi-backend-route.yaml"] {
        for document in documents(file)?
            .iter()
            .filter(|document| document["kind"] == "HTTPRoute")
        {
            table
                .add(document)
                .ok_or_else(|| format!("{file}: an HTTPRoute without a name or rules"))?;
        }
    }
    Ok(table)
}

impl Table {
    fn add(&mut self, route: &Value) -> Option<()> {
        let route_name = route["metadata"]["name"].as_str()?;
        let namespace = route["metadata"]["namespace"].as_str().unwrap_or("default");
        for (index, rule) in route["spec"]["rules"].as_array()?.iter().enumerate() {
            let kong = format!("httproute.{namespace}.{route_name}.{index}");
            let backends: Vec<&str> = rule["backendRefs"]
                .as_array()?
                .iter()
                .filter_map(|backend| backend["name"].as_str())
                .collect();
            if let [one] = backends[..] {
                let service = Service {
                    namespace: namespace.to_owned(),
                    name: one.to_owned(),
                };
                self.services.insert(kong, service);
            } else {
                self.split
                    .insert(kong, backends.into_iter().map(str::to_owned).collect());
            }
        }
        Some(())
    }
}

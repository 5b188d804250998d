//! Cluster objects in, label tables out: no client, no HTTP, no clock.
//!
//! ```text
//!                       selects                               drives
//! [Service] <── [DataPlaneMetricsExtension] <── [ControlPlane] ──> [DataPlane] <── [Pod]
//!     ^   ^                    ^                                      |    ^
//!     │   │  fellows           └──────── annotation ──── [workload] ──┼────┘ stands for one
//!     │   └──────────┐                                                │ sees
//!     │ reaches      │                                                v
//! [claim of a name] <── [HTTPRoute, GRPCRoute, … Ingress, facade] <── view: Gateways, namespaces
//!
//! out:  table of a DataPlane   = what each name means in its view        (tables, names, translate)
//!       plan of an extension   = plugins, Services, refusals             (plan, fellows, plugins)
//!       pods of a DataPlane    = by UID, with their sidecars' addresses  (pods)
//!       states, report, explain = what could not be mapped, and why      (states, report, explain)
//! ```
//!
//! [`Index::apply`], [`Index::delete`] and [`Index::reset`] take objects in any order and return [`Changes`]: which tables
//! changed, by how much, and which extensions and DataPlanes are worth another look. A change that means nothing returns
//! nothing, so whoever acts on [`Changes`] alone writes nothing in an unchanged world.
//!
//! ```
//! use tagalong_index::{Index, Settings};
//!
//! let mut index = Index::new(Settings::default());
//! let dataplane = serde_json::from_value::<tagalong_crds::DataPlane>(serde_json::json!({
//!     "metadata": {"namespace": "default", "name": "kong"}
//! }))?;
//! let route = serde_json::from_value::<tagalong_crds::Ingress>(serde_json::json!({
//!     "metadata": {"namespace": "default", "name": "echo"},
//!     "spec": {"defaultBackend": {"service": {"name": "echo", "port": {"number": 80}}}}
//! }))?;
//! index.apply(dataplane);
//! let changes = index.apply(route);
//! assert_eq!(changes.tables.len(), 1);
//! let table = index.snapshot(&"default/kong".parse()?).ok_or("no table")?;
//! assert_eq!(table.services.0["default.echo.80"].to_string(), "default/echo");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod annotation;
mod changes;
mod dependents;
mod explain;
mod fellows;
mod holds;
mod index;
mod key;
mod manifests;
mod names;
mod object;
mod plan;
mod plugins;
mod pods;
mod records;
mod referents;
mod report;
mod selector;
mod settings;
mod states;
mod tables;
mod topology;
mod translate;
mod view;
mod waits;

pub use self::{
    changes::{Changes, TableChange, TableUpdate},
    explain::{NameExplanation, ServiceExplanation},
    index::Index,
    key::{Key, Name, NoKey},
    manifests::Manifests,
    object::{Object, ObjectKind, Source},
    plan::{FellowProblem, Plan, PlanOutcome, PlanRefusal, PluginPlan, Seen, ServicePlan},
    plugins::{PROMETHEUS, PluginConfig, plugin_name},
    pods::Pod,
    report::{LeftOut, NameVerdict, Reading},
    settings::Settings,
    states::{NameState, NameStates},
    topology::{Attachment, DataPlane},
    translate::{Form, Nothing, Target},
    waits::Wait,
};

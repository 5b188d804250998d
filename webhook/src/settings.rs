//! What an installation decides about the sidecar.

use serde_json::{Map, Value};
use tagalong_runtime::logging::LogFormat;
use tagalong_wire::contract::LISTEN_PORT;
use tracing_subscriber::filter::Targets;

use crate::{image, resources, security};

/// Everything that [`inject`](crate::inject()) knows apart from the object. All replicas of the webhook must be given the
/// same, or the sidecar would change with the replica that answers.
#[derive(Clone, Debug)]
pub struct InjectionSettings {
    /// The sidecar's image.
    pub image: String,
    /// Its pull policy; `None` is what the API server would choose for the image.
    pub pull_policy: Option<PullPolicy>,
    /// Where the operator pushes label tables: `https://…/v1/labels`.
    pub labels_url: String,
    /// The port that the sidecar listens on.
    pub listen_port: u16,
    /// The container's `resources`, as [`InjectionSettings::resources`] checked them.
    pub resources: Value,
    /// Whether the sidecar is a native one (an init container with `restartPolicy: Always`, Kubernetes 1.29 and
    /// later, KEP-753) or an ordinary container.
    pub native: bool,
    /// What the sidecar logs, as its `TAGALONG_LOG`; `None` is the sidecar's own default.
    pub log: Option<String>,
    /// Format of the sidecar's log lines; `None` is the sidecar's own default.
    pub log_format: Option<LogFormat>,
    /// Fields of the container's security context that differ from the defaults; `null` leaves one out.
    pub security_context: Map<String, Value>,
    /// Secrets for the sidecar's image, added to pod templates that name some already.
    pub pull_secrets: Vec<String>,
    /// Whether they are added where a pod template names none, too. Those of its ServiceAccount no longer count then.
    pub pull_secrets_always: bool,
    /// Whether to add the `prometheus.io/*` annotations, for a Prometheus that finds its targets by them.
    pub scrape_annotations: bool,
    /// When this webhook started, in seconds since 1970. Of two that disagree the later one is right: it is the one
    /// that an update or a rollback of tagalong has brought.
    pub started: u64,
}

impl InjectionSettings {
    /// Settings with every default.
    #[must_use]
    pub fn new(image: impl Into<String>, labels_url: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            pull_policy: None,
            labels_url: labels_url.into(),
            listen_port: LISTEN_PORT,
            resources: resources::defaults(),
            native: true,
            log: None,
            log_format: None,
            security_context: Map::new(),
            pull_secrets: Vec::new(),
            pull_secrets_always: false,
            scrape_annotations: false,
            started: 0,
        }
    }

    /// Reads the value of a setting that holds `resources` as a JSON object.
    ///
    /// # Errors
    /// It is none, or asks for what a sidecar cannot have.
    pub fn resources(text: &str) -> Result<Value, String> {
        resources::parse(text)
    }

    /// Reads the value of a setting that holds a security context as a JSON object.
    ///
    /// # Errors
    /// It is none, or has a field that no container has.
    pub fn security_context(text: &str) -> Result<Map<String, Value>, String> {
        security::parse(text)
    }

    /// Reads the value of a setting that holds a filter of log lines: the sidecar would not start with a bad one.
    ///
    /// # Errors
    /// It cannot be parsed.
    pub fn log(text: &str) -> Result<String, String> {
        match text.parse::<Targets>() {
            Ok(_) if !text.is_empty() => Ok(text.to_owned()),
            Ok(_) => Err("must not be empty; try `info`".to_owned()),
            Err(error) => Err(format!("{error}; try `info`")),
        }
    }

    /// Reads the value of a setting that holds an image.
    ///
    /// # Errors
    /// It cannot be an image reference.
    pub fn image(text: &str) -> Result<String, String> {
        if image::valid(text) {
            Ok(text.to_owned())
        } else {
            Err("is not an image reference".to_owned())
        }
    }
}

/// `imagePullPolicy` of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Ask the registry at each start.
    Always,
    /// Ask the registry when the node has no such image.
    IfNotPresent,
    /// Never ask a registry.
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

//! The flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tagalong_runtime::RuntimeArgs;
use tagalong_runtime::logging::LogFormat;
use tagalong_wire::contract::LISTEN_PORT;

use crate::by_hand::Command;
use crate::{InjectionSettings, PullPolicy};

/// The version and the commit it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TAGALONG_BUILD_COMMIT"),
    ")"
);

/// Mutating admission webhook that injects the sidecar into DataPlanes and workloads labelled for injection
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tagalong-webhook", version = VERSION, subcommand_negates_reqs = true)]
pub struct Args {
    /// Address to serve admission reviews on, over TLS
    #[arg(long, env = "TAGALONG_LISTEN", default_value = "[::]:9443")]
    pub listen: SocketAddr,
    /// Directory with `tls.crt` and `tls.key`; changes are picked up
    #[arg(long, env = "TAGALONG_TLS_DIR", required = true)]
    pub tls_dir: Option<PathBuf>,
    /// Image of the sidecar
    #[arg(long, env = "TAGALONG_SIDECAR_IMAGE", value_parser = InjectionSettings::image)]
    pub sidecar_image: String,
    /// `imagePullPolicy` of the sidecar. If not set, Kubernetes' default for the image
    #[arg(long, env = "TAGALONG_SIDECAR_PULL_POLICY")]
    pub sidecar_pull_policy: Option<PullPolicy>,
    /// Port that the sidecar listens on
    #[arg(long, env = "TAGALONG_SIDECAR_PORT", default_value_t = LISTEN_PORT, value_parser = clap::value_parser!(u16).range(1024..))]
    pub sidecar_port: u16,
    /// `resources` of the sidecar, as a JSON object. If not set, small built-in defaults
    #[arg(long, env = "TAGALONG_SIDECAR_RESOURCES", value_parser = InjectionSettings::resources)]
    pub sidecar_resources: Option<Value>,
    /// Fields of the sidecar's `securityContext` that differ from the defaults, as a JSON object; `null` leaves one out
    #[arg(long, env = "TAGALONG_SIDECAR_SECURITY_CONTEXT", value_name = "JSON", value_parser = InjectionSettings::security_context)]
    pub sidecar_security_context: Option<Map<String, Value>>,
    /// Log level of the sidecar, or levels per target, such as `info,tagalong_sidecar=debug`. If not set, `info`
    #[arg(long, env = "TAGALONG_SIDECAR_LOG", value_parser = InjectionSettings::log)]
    pub sidecar_log: Option<String>,
    /// Format of the sidecar's log lines. If not set, `text`
    #[arg(long, env = "TAGALONG_SIDECAR_LOG_FORMAT")]
    pub sidecar_log_format: Option<LogFormat>,
    /// Names of Secrets for pulling the sidecar's image, added to pod templates that name `imagePullSecrets` already
    #[arg(
        long,
        env = "TAGALONG_SIDECAR_PULL_SECRETS",
        value_name = "NAME,…",
        value_delimiter = ','
    )]
    pub sidecar_pull_secrets: Vec<String>,
    /// Add them also to pod templates that name none; those of the pods' ServiceAccount are then no longer used
    #[arg(long, env = "TAGALONG_SIDECAR_PULL_SECRETS_ALWAYS")]
    pub sidecar_pull_secrets_always: bool,
    /// URL from which sidecars receive their labels, such as `https://tagalong-operator.tagalong.svc:8443/v1/labels`
    #[arg(long, env = "TAGALONG_LABELS_URL", value_parser = labels_url)]
    pub labels_url: String,
    /// Whether the sidecar is a native one, an init container with `restartPolicy: Always` (Kubernetes 1.29 and later):
    /// `always`, or `never` for an ordinary container
    #[arg(
        long,
        env = "TAGALONG_NATIVE_SIDECARS",
        value_name = "always|never",
        value_parser = native_sidecars,
        default_value = "always",
        action = clap::ArgAction::Set
    )]
    pub native_sidecars: bool,
    /// Add `prometheus.io/*` scrape annotations to the pods
    #[arg(long, env = "TAGALONG_SCRAPE_ANNOTATIONS")]
    pub scrape_annotations: bool,
    /// Flags that every server has.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Args {
    /// The settings in them, for a webhook that starts now.
    #[must_use]
    pub fn settings(&self) -> InjectionSettings {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut settings = InjectionSettings {
            pull_policy: self.sidecar_pull_policy,
            listen_port: self.sidecar_port,
            native: self.native_sidecars,
            log: self.sidecar_log.clone(),
            log_format: self.sidecar_log_format,
            security_context: self.sidecar_security_context.clone().unwrap_or_default(),
            pull_secrets: self.sidecar_pull_secrets.clone(),
            pull_secrets_always: self.sidecar_pull_secrets_always,
            scrape_annotations: self.scrape_annotations,
            started: since_1970.map_or(0, |time| time.as_secs()),
            ..InjectionSettings::new(&self.sidecar_image, &self.labels_url)
        };
        if let Some(resources) = &self.sidecar_resources {
            settings.resources.clone_from(resources);
        }
        settings
    }
}

/// The API server is not asked for its version: replicas that got different answers would put in different sidecars.
fn native_sidecars(text: &str) -> Result<bool, String> {
    match text {
        "always" => Ok(true),
        "never" => Ok(false),
        "auto" => Err(
            "the API server is no longer asked for its version: use `always` from Kubernetes 1.29 on, else `never`"
                .to_owned(),
        ),
        _ => Err("must be `always` or `never`".to_owned()),
    }
}

/// The sidecar shows its pod's token there, hence `https`.
fn labels_url(text: &str) -> Result<String, String> {
    match text.parse::<http::Uri>() {
        Ok(url) if url.scheme_str() == Some("https") && url.host().is_some() => Ok(text.to_owned()),
        _ => Err("must be a https URL".to_owned()),
    }
}

#[cfg(test)]
mod tests;

//! The flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tagalong_runtime::RuntimeArgs;

use crate::native::NativeSidecars;
use crate::{PullPolicy, Settings, names};

/// The version and the commit it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TAGALONG_BUILD_COMMIT"),
    ")"
);

/// Puts the sidecar into marked DataPlanes and workloads: a mutating admission webhook
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tagalong-webhook", version = VERSION)]
pub struct Args {
    /// Where reviews are answered, over TLS
    #[arg(long, env = "TAGALONG_LISTEN", default_value = "0.0.0.0:9443")]
    pub listen: SocketAddr,
    /// The directory with `tls.crt` and `tls.key`, read again when they change
    #[arg(long, env = "TAGALONG_TLS_DIR")]
    pub tls_dir: PathBuf,
    /// The sidecar's image
    #[arg(long, env = "TAGALONG_SIDECAR_IMAGE", value_parser = Settings::image)]
    pub sidecar_image: String,
    /// The sidecar's `imagePullPolicy`; what Kubernetes would choose for the image, if absent
    #[arg(long, env = "TAGALONG_SIDECAR_PULL_POLICY")]
    pub sidecar_pull_policy: Option<PullPolicy>,
    /// The port the sidecar listens on
    #[arg(long, env = "TAGALONG_SIDECAR_PORT", default_value_t = names::LISTEN_PORT, value_parser = clap::value_parser!(u16).range(1024..))]
    pub sidecar_port: u16,
    /// The sidecar's `resources`, as a JSON object; small ones, if absent
    #[arg(long, env = "TAGALONG_SIDECAR_RESOURCES", value_parser = Settings::resources)]
    pub sidecar_resources: Option<Value>,
    /// Where the operator pushes labels to sidecars, such as `https://tagalong-operator.tagalong.svc:8443/v1/labels`
    #[arg(long, env = "TAGALONG_LABELS_URL", value_parser = labels_url)]
    pub labels_url: String,
    /// Whether the sidecar is a native one: an init container with `restartPolicy: Always`
    #[arg(
        long,
        env = "TAGALONG_NATIVE_SIDECARS",
        value_enum,
        default_value = "auto"
    )]
    pub native_sidecars: NativeSidecars,
    /// Add `prometheus.io/*` annotations to the pods
    #[arg(long, env = "TAGALONG_SCRAPE_ANNOTATIONS")]
    pub scrape_annotations: bool,
    /// What every server of tagalong has.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

impl Args {
    /// The settings in them, for a webhook that starts now.
    #[must_use]
    pub fn settings(&self, native: bool) -> Settings {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut settings = Settings {
            pull_policy: self.sidecar_pull_policy,
            listen_port: self.sidecar_port,
            native,
            scrape_annotations: self.scrape_annotations,
            started: since_1970.map_or(0, |time| time.as_secs()),
            ..Settings::new(&self.sidecar_image, &self.labels_url)
        };
        if let Some(resources) = &self.sidecar_resources {
            settings.resources.clone_from(resources);
        }
        settings
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

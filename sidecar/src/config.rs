//! Flags and environment, checked before anything is opened.

use std::ffi::OsStr;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgGroup, CommandFactory as _, FromArgMatches as _, Parser};
use tagalong_runtime::logging::LogArgs;
use tagalong_wire::contract::{LISTEN_PORT, POD_UID_ENV};

use crate::url::{Url, UrlError};

/// The version and the commit it was built from.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TAGALONG_BUILD_COMMIT"),
    ")"
);

/// What the sidecar was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to serve `/metrics` and `/healthz`.
    pub listen: SocketAddr,
    /// Kong's own `/metrics`.
    pub kong: Url,
    /// Where the table comes from.
    pub labels: LabelSource,
    /// The pod's UID, if the downward API tells it.
    pub pod_uid: Option<String>,
    /// How logs look.
    pub log: LogArgs,
}

/// Where the table comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// A file with a SNAPSHOT message, followed as it changes.
    File(PathBuf),
    /// The operator's stream.
    Stream {
        /// The stream.
        url: Url,
        /// The file with the service-account token.
        token_file: PathBuf,
        /// The file with the operator's CA certificates.
        ca_file: PathBuf,
    },
}

/// Why the process ends.
#[derive(Debug)]
pub enum Exit {
    /// It was asked for its help or version: this text.
    Shown(String),
    /// A flag, a URL or the labels file is bad: one line that names it. Exit code 64, as `EX_USAGE` of sysexits.h.
    Usage(String),
    /// The system does not give what was rightly asked for: one line. Exit code 71, as `EX_OSERR`.
    Failed(String),
}

/// Proxy for Kong's /metrics that adds the Kubernetes Service's labels to each sample as it streams by.
#[derive(Debug, Parser)]
#[command(
    name = "tagalong-sidecar",
    version = VERSION,
    group = ArgGroup::new("labels").required(true).args(["labels_url", "labels_file"]),
    after_help = "Without a flag:\n  TAGALONG_POD_UID  UID of the pod, from the downward API; sent with each response"
)]
struct Flags {
    /// Address to serve /metrics and /healthz on
    #[arg(
        long,
        env = "TAGALONG_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, LISTEN_PORT))
    )]
    listen: SocketAddr,
    /// URL of Kong's own /metrics; for an https URL on loopback the certificate is not checked
    #[arg(
        long,
        env = "TAGALONG_KONG_METRICS_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8100/metrics"
    )]
    kong_metrics_url: Url,
    /// URL of the operator's label stream: https, or http on loopback only
    #[arg(long, env = "TAGALONG_LABELS_URL", value_name = "URL", value_parser = labels_url, requires = "token_file", requires = "ca_file")]
    labels_url: Option<Url>,
    /// File with the service-account token to present to the operator; read again for each connection
    #[arg(
        long,
        env = "TAGALONG_TOKEN_FILE",
        value_name = "FILE",
        requires = "labels_url"
    )]
    token_file: Option<PathBuf>,
    /// File with the operator's CA certificates (PEM); read again for each connection
    #[arg(
        long,
        env = "TAGALONG_CA_FILE",
        value_name = "FILE",
        requires = "labels_url"
    )]
    ca_file: Option<PathBuf>,
    /// File with one SNAPSHOT message, to use instead of a label stream; changes are picked up
    #[arg(long, env = "TAGALONG_LABELS_FILE", value_name = "FILE")]
    labels_file: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

impl Config {
    /// Reads the process's arguments and environment.
    ///
    /// # Errors
    /// Help or version were asked for, or something is wrong with a flag.
    pub fn from_process() -> Result<Self, Exit> {
        let pod_uid = std::env::var(POD_UID_ENV)
            .ok()
            .filter(|uid| !uid.is_empty());
        Self::from_flags(std::env::args_os(), pod_uid)
    }

    fn from_flags<I, T>(arguments: I, pod_uid: Option<String>) -> Result<Self, Exit>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let flags = Flags::command()
            .mut_args(unless_empty)
            .try_get_matches_from(arguments)
            .and_then(|matches| Flags::from_arg_matches(&matches))
            .map_err(|error| exit(&error))?;
        let labels = match (
            flags.labels_url,
            flags.token_file,
            flags.ca_file,
            flags.labels_file,
        ) {
            (Some(url), Some(token_file), Some(ca_file), None) => LabelSource::Stream {
                url,
                token_file,
                ca_file,
            },
            (None, _, _, Some(file)) => LabelSource::File(file),
            // Held by the rules that stand at the flags.
            _ => {
                return Err(Exit::Usage(
                    "either --labels-file, or --labels-url with --token-file and --ca-file".into(),
                ));
            }
        };
        Ok(Self {
            listen: flags.listen,
            kong: flags.kong_metrics_url,
            labels,
            pod_uid,
            log: flags.log,
        })
    }
}

/// An empty variable counts as unset: templates leave such behind.
fn unless_empty(flag: Arg) -> Arg {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    if flag.get_env().is_some_and(is_empty) {
        flag.env(None::<&'static str>)
    } else {
        flag
    }
}

/// The token is shown to whoever answers there, hence never in the clear over a network.
fn labels_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error: UrlError| error.to_string())?;
    if url.tls || url.is_loopback() {
        Ok(url)
    } else {
        Err("the URL must begin with https://, for the pod's token is shown there".into())
    }
}

/// clap explains at length; a container's log wants one line. Its first paragraph names the flag and what is wrong.
fn exit(error: &clap::Error) -> Exit {
    let text = error.to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Exit::Shown(text);
    }
    let first = text.split("\n\n").next().unwrap_or(&text);
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    Exit::Usage(line.strip_prefix("error: ").unwrap_or(&line).to_owned())
}

#[cfg(test)]
mod tests;

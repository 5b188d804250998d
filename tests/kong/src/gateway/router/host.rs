//! `hosts` of a route: a name, `*.suffix` or `prefix.*`, each with an optional port.

#[derive(Clone, Debug)]
pub(super) struct Host {
    pattern: Pattern,
    port: Option<String>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(String),
    Suffix(String),
    Prefix(String),
}

impl Host {
    pub(super) fn new(text: &str) -> Self {
        let (name, port) = split(text);
        let pattern = if let Some(suffix) = name.strip_prefix('*') {
            Pattern::Suffix(suffix.to_owned())
        } else if let Some(prefix) = name.strip_suffix('*') {
            Pattern::Prefix(prefix.to_owned())
        } else {
            Pattern::Exact(name.to_owned())
        };
        Self {
            pattern,
            port: port.map(str::to_owned),
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(self.pattern, Pattern::Exact(_))
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        let (name, port) = split(host);
        let longer = |part: &String| name.len() > part.len();
        let fits = match &self.pattern {
            Pattern::Exact(exact) => name == exact,
            Pattern::Suffix(suffix) => longer(suffix) && name.ends_with(suffix),
            Pattern::Prefix(prefix) => longer(prefix) && name.starts_with(prefix),
        };
        fits && self
            .port
            .as_deref()
            .is_none_or(|wanted| port == Some(wanted))
    }
}

/// Name and port; an IPv6 address in brackets keeps its colons.
pub(super) fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

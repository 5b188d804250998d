//! The added labels: what an enriched sample has that Kong did not write.
//!
//! Whoever must know them derives from [`ADDED`]: the label table joins them, the rewriter refuses a sample that already
//! has one, and the oracle takes the list (not the logic).

/// Where the value of an added label comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// The Service's namespace.
    Namespace,
    /// The Service's name.
    Name,
    /// The same for every Service.
    Constant(&'static str),
}

/// The added labels, in the order in which they are written (`docs/design.md` §3).
pub(crate) const ADDED: [(&str, Value); 6] = [
    ("namespace", Value::Namespace),
    ("service", Value::Name),
    ("kubernetes_apiversion", Value::Constant("v1")),
    ("kubernetes_kind", Value::Constant("service")),
    ("kubernetes_name", Value::Name),
    ("kubernetes_namespace", Value::Namespace),
];

/// The label in which Kong names its service.
pub(crate) const SERVICE: &str = "service";

/// The label in which Kong names its upstream. It is the key of the samples of [`UPSTREAM_FAMILY`], which have no service.
pub(crate) const UPSTREAM: &str = "upstream";

/// The family whose samples name a Kong upstream instead of a Kong service.
pub(crate) const UPSTREAM_FAMILY: &str = "kong_upstream_target_health";

/// Stands in front of Kong's own label [`SERVICE`] once the Kubernetes Service has that name. An [`UPSTREAM`] keeps its name.
pub(crate) const KONG: &str = "kong_";

impl Value {
    /// The value, not escaped.
    pub(crate) fn of<'a>(self, namespace: &'a str, name: &'a str) -> &'a str {
        match self {
            Self::Namespace => namespace,
            Self::Name => name,
            Self::Constant(value) => value,
        }
    }
}

/// Whether enrichment adds a label of this name, or gives it to Kong's own. `upstream` tells the samples of
/// [`UPSTREAM_FAMILY`] from others, whose key is the [`SERVICE`].
#[inline]
pub(crate) fn is_added(label: &[u8], upstream: bool) -> bool {
    let renamed = !upstream && label.strip_prefix(KONG.as_bytes()) == Some(SERVICE.as_bytes());
    renamed || ADDED.iter().any(|(added, _)| added.as_bytes() == label)
}

#[cfg(test)]
mod tests {
    use super::ADDED;

    /// Whoever adds a label writes it down for those who ask for it by name.
    #[test]
    fn the_pages_name_every_added_label() {
        for (page, text) in [
            ("docs/design.md", include_str!("../../../docs/design.md")),
            ("README.md", include_str!("../../../README.md")),
            (
                "docs/guides/datadog.md",
                include_str!("../../../docs/guides/datadog.md"),
            ),
        ] {
            for (label, _) in ADDED {
                assert!(text.contains(label), "{page} does not name {label}");
            }
        }
    }
}

//! The annotation `konghq.com/plugins`, edited so that it can be left as it was found, byte for byte.
//!
//! Kong splits it at commas, trims the items and skips empty ones (`ExtractPluginsNamespacedNames` in
//! Kong/kubernetes-configuration `pkg/metadata/plugins.go`). So appending `,name` to whatever stands
//! there is always right, and taking that very piece out again restores it.

/// The annotation on Services, Ingresses and routes that names plugins.
pub const PLUGINS: &str = "konghq.com/plugins";

/// Whether `value` names the plugin.
#[must_use]
pub fn names(value: Option<&str>, plugin: &str) -> bool {
    value.is_some_and(|value| value.split(',').any(|item| item.trim() == plugin))
}

/// `value` with the plugin named at its end.
#[must_use]
pub fn with(value: Option<&str>, plugin: &str) -> String {
    match value {
        None => plugin.to_owned(),
        Some(value) => format!("{value},{plugin}"),
    }
}

/// `value` without the plugin: `None` if nothing stood there before it was added.
#[must_use]
pub fn without(value: &str, plugin: &str) -> Option<String> {
    let others: Vec<&str> = value
        .split(',')
        .filter(|item| item.trim() != plugin)
        .collect();
    (!others.is_empty()).then(|| others.join(","))
}

#[cfg(test)]
mod tests;

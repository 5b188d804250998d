//! The annotation `konghq.com/plugins`: a comma list of plugin names.
//!
//! Kong's controllers trim items and skip empty ones (`ExtractPluginsNamespacedNames`). Others' items, their order and their
//! spaces are not ours to change: what [`with`] does, [`without`] undoes to the byte.

/// The annotation's key.
pub const PLUGINS: &str = "konghq.com/plugins";

/// The items, trimmed, without empty ones.
pub fn items(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// The value with a plugin in it: at the end, unless it is there already.
#[must_use]
pub fn with(value: Option<&str>, plugin: &str) -> String {
    match value {
        None => plugin.to_owned(),
        Some(value) if items(value).any(|item| item == plugin) => value.to_owned(),
        Some(value) => format!("{value},{plugin}"),
    }
}

/// The value without a plugin; none if nothing else was ever in it, so that the annotation goes too.
#[must_use]
pub fn without(value: Option<&str>, plugin: &str) -> Option<String> {
    let value = value?;
    let parts: Vec<&str> = value.split(',').collect();
    let kept: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| part.trim() != plugin)
        .collect();
    if kept.len() == parts.len() {
        return Some(value.to_owned());
    }
    (!kept.is_empty()).then(|| kept.join(","))
}

#[cfg(test)]
mod tests;

//! Image references, as far as the webhook must judge them.

/// Whether this can be an image reference at all: a typing error must not reach the kubelet of every Kong pod.
///
/// The characters are those of the distribution specification's grammar; the longest name it allows is 255, a tag
/// 128, a digest 7 + 64.
pub(crate) fn valid(reference: &str) -> bool {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    reference.len() <= 512
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(allowed)
        && !name.contains("//")
        && digest.is_none_or(|digest| {
            digest
                .strip_prefix("sha256:")
                .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
        })
}

/// The pull policy that the API server would fill in (`SetDefaults_Container` of Kubernetes): `Always` for `:latest`
/// or no tag at all.
pub(crate) fn default_pull_policy(reference: &str) -> &'static str {
    if reference.contains('@') {
        return "IfNotPresent";
    }
    let last = reference.rsplit('/').next().unwrap_or(reference);
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

#[cfg(test)]
mod tests;

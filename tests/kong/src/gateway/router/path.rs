//! `paths` of a route, and the path that the upstream sees.

use std::collections::BTreeMap;

/// How many bytes of a request's path were matched.
pub(super) struct Taken(pub(super) usize);

#[derive(Clone, Debug)]
pub(super) enum Path {
    Prefix(String),
    Regex(Box<regex::Regex>),
}

impl Path {
    pub(super) fn take(&self, path: &str) -> Option<Taken> {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix).then_some(Taken(prefix.len())),
            Self::Regex(regex) => regex.find(path).map(|found| Taken(found.end())),
        }
    }
}

/// Paths that are ranked alike.
pub(super) struct Group {
    pub(super) regex: bool,
    /// Of the prefixes, in bytes; 0 for regular expressions.
    pub(super) length: usize,
    pub(super) paths: Vec<Path>,
}

/// One group for all regular expressions and one for each length of prefix; without paths, one without.
pub(super) fn groups(paths: &[String]) -> Vec<Group> {
    let mut groups: BTreeMap<(bool, usize), Vec<Path>> = BTreeMap::new();
    for path in paths {
        match path.strip_prefix('~') {
            None => groups
                .entry((false, path.len()))
                .or_default()
                .push(Path::Prefix(path.clone())),
            Some(pattern) => {
                // Anchored at the start only. Validation has seen that it compiles.
                if let Ok(regex) = regex::Regex::new(&format!("^(?:{pattern})")) {
                    groups
                        .entry((true, 0))
                        .or_default()
                        .push(Path::Regex(Box::new(regex)));
                }
            }
        }
    }
    if paths.is_empty() {
        groups.insert((false, 0), Vec::new());
    }
    groups
        .into_iter()
        .map(|((regex, length), paths)| Group {
            regex,
            length,
            paths,
        })
        .collect()
}

/// The path that the upstream sees (`path_handling` v0, `kong/router/utils.lua`).
pub(crate) fn upstream_path(base: Option<&str>, path: &str, taken: Option<usize>) -> String {
    let base = base.unwrap_or("/");
    let rest = match taken {
        Some(taken) => path.get(taken..).unwrap_or_default(),
        None => path,
    };
    match (base.strip_suffix('/'), rest.strip_prefix('/')) {
        (Some(base), Some(rest)) => format!("{base}/{rest}"),
        (Some(base), None) => format!("{base}/{rest}"),
        (None, _) if rest.is_empty() => base.to_owned(),
        (None, Some(rest)) => format!("{base}/{rest}"),
        (None, None) => format!("{base}/{rest}"),
    }
}

//! The modules of a crate, and which uses which: read from the sources, without a compiler.
//!
//! Paths that begin with `crate`, `super`, `self`, a child module or an imported name are followed, also through
//! re-exports, to the file that defines what they name. Tests are no part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module from the crate's root; empty for the root itself.
pub type Module = Vec<String>;

/// One crate.
pub struct Source {
    modules: BTreeMap<Module, File>,
}

struct File {
    tokens: Vec<String>,
    /// What each `use` brings in: name, and the path it stands for.
    imports: Vec<(String, Vec<String>)>,
}

impl Source {
    /// Reads `dir`, which is a crate's `src`.
    pub fn read(dir: &Path) -> Self {
        let mut modules = BTreeMap::new();
        for path in files(dir) {
            let inside = path.strip_prefix(dir).expect("a file of the crate");
            let Some(module) = module(inside) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).expect("a source file");
            let tokens = without_tests(&tokens(&text));
            let imports = imports(&tokens);
            modules.insert(module, File { tokens, imports });
        }
        Self { modules }
    }

    /// Which module uses which others.
    pub fn uses(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let uses = |(module, file): (&Module, &File)| {
            let mut used: BTreeSet<Module> = self
                .paths(module, file)
                .filter_map(|path| self.defined(module, &path, 0))
                .collect();
            used.remove(module);
            (module.clone(), used)
        };
        self.modules.iter().map(uses).collect()
    }

    /// The types and traits of each module that can be seen outside of it: `pub` or `pub(crate)`.
    pub fn types(&self) -> BTreeMap<Module, BTreeSet<String>> {
        let types = |(module, file): (&Module, &File)| (module.clone(), file.types());
        self.modules.iter().map(types).collect()
    }

    /// Every path that is named in a file.
    fn paths<'s>(
        &'s self,
        module: &'s Module,
        file: &'s File,
    ) -> impl Iterator<Item = Vec<String>> + 's {
        let starts = file.tokens.iter().enumerate().filter(|(at, token)| {
            let inside = at.checked_sub(1).and_then(|before| file.tokens.get(before));
            is_name(token)
                && inside.is_none_or(|before| before != "::" && before != "mod")
                && file.tokens.get(at + 1).is_some_and(|next| next == "::")
                && (matches!(token.as_str(), "crate" | "super" | "self")
                    || self.child(module, token).is_some()
                    || file.imports.iter().any(|(name, _)| name == *token))
        });
        starts.flat_map(|(at, _)| {
            let mut paths = Vec::new();
            tree(&file.tokens, at, &[], &mut |path, _| paths.push(path));
            paths
        })
    }

    fn child(&self, module: &Module, name: &str) -> Option<Module> {
        let mut child = module.clone();
        child.push(name.to_owned());
        self.modules.contains_key(&child).then_some(child)
    }

    /// The module that defines what `path`, written in `from`, names; none if that is a module or a foreign thing.
    fn defined(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        if depth > 8 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from.get(..from.len().checked_sub(1)?)?.to_vec(),
            name => match self.child(from, name) {
                Some(child) => child,
                None => {
                    let file = self.modules.get(from)?;
                    let (_, stands) = file.imports.iter().find(|(import, _)| import == name)?;
                    let whole: Vec<String> = stands.iter().chain(rest).cloned().collect();
                    return self.defined(from, &whole, depth + 1);
                }
            },
        };
        loop {
            let (name, after) = rest.split_first()?;
            if name == "super" {
                at.pop();
            } else if let Some(child) = self.child(&at, name) {
                at = child;
            } else {
                let file = self.modules.get(&at)?;
                let stands = file.imports.iter().find(|(import, _)| import == name);
                return match stands {
                    Some((_, stands)) => {
                        let whole: Vec<String> = stands.iter().chain(after).cloned().collect();
                        self.defined(&at, &whole, depth + 1)
                    }
                    // Macros are exported by the crate's root, wherever they stand.
                    None => file.defines(name).then_some(at),
                };
            }
            rest = after;
        }
    }
}

impl File {
    fn defines(&self, name: &str) -> bool {
        const KEYWORDS: [&str; 8] = [
            "const", "enum", "fn", "static", "struct", "trait", "type", "union",
        ];
        self.tokens.windows(2).any(|pair| {
            let [before, after] = pair else { return false };
            after == name && KEYWORDS.contains(&before.as_str())
        })
    }
}

impl File {
    fn types(&self) -> BTreeSet<String> {
        const KEYWORDS: [&str; 4] = ["enum", "struct", "trait", "type"];
        let mut found = BTreeSet::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if token != "pub" {
                continue;
            }
            let mut after = self.tokens[at + 1..].iter().map(String::as_str);
            let mut next = after.next();
            if next == Some("(") {
                if after.next() != Some("crate") {
                    continue;
                }
                next = after.nth(1);
            }
            if next.is_some_and(|next| KEYWORDS.contains(&next)) {
                found.extend(after.next().map(str::to_owned));
            }
        }
        found
    }
}

/// All files of a crate that are compiled into its library.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn module(inside: &Path) -> Option<Module> {
    let mut module: Module = inside
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.iter().any(|part| part == "tests") || module == ["main"] || module[0] == "bin" {
        return None;
    }
    if module
        .last()
        .is_some_and(|last| last == "lib" || last == "mod")
    {
        module.pop();
    }
    Some(module)
}

/// Names, `::`, and single other characters; no comments, no strings.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let rest = |from: usize| chars.get(from..).unwrap_or_default();
        at += match (c, next) {
            ('/', '/') => rest(at).iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => {
                let close = rest(at + 2).windows(2).position(|two| two == ['*', '/']);
                close.map_or(chars.len(), |close| close + 4)
            }
            ('r', '"' | '#') if raw(rest(at)).is_some() => raw(rest(at)).unwrap_or(1),
            ('"', _) => quoted(rest(at), '"'),
            ('\'', _) if next == '\\' || chars.get(at + 2) == Some(&'\'') => quoted(rest(at), '\''),
            (':', ':') => {
                tokens.push("::".to_owned());
                2
            }
            _ if c.is_whitespace() => 1,
            _ if c.is_alphanumeric() || c == '_' => {
                let word = |c: &&char| c.is_alphanumeric() || **c == '_';
                let name: String = rest(at).iter().take_while(word).collect();
                let length = name.chars().count();
                tokens.push(name);
                length
            }
            _ => {
                tokens.push(c.to_string());
                1
            }
        };
    }
    tokens
}

fn quoted(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while let Some(c) = text.get(at) {
        at += match *c {
            '\\' => 2,
            c if c == quote => return at + 1,
            _ => 1,
        };
    }
    at
}

/// The length of a raw string.
fn raw(text: &[char]) -> Option<usize> {
    let hashes = text.iter().skip(1).take_while(|c| **c == '#').count();
    (text.get(1 + hashes) == Some(&'"')).then_some(())?;
    let close: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = text.get(2 + hashes..)?;
    let end = body
        .windows(close.len())
        .position(|window| window == close)?;
    Some(2 + hashes + end + close.len())
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What stands under `#[cfg(test)]` goes: up to its `;`, or its closing brace.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().map(String::as_str).take(7).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        for token in &tokens[at + MARK.len()..] {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                ";" => {}
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
        at += MARK.len();
    }
    kept
}

fn imports(tokens: &[String]) -> Vec<(String, Vec<String>)> {
    let mut imports = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at] == "use") {
        tree(tokens, at + 1, &[], &mut |path, alias| {
            let name = alias.or_else(|| path.last().cloned());
            imports.extend(name.map(|name| (name, path)));
        });
    }
    imports
}

/// Reads a path, or the tree of a `use`, at `at`; tells each path, with its alias. Returns where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    prefix: &[String],
    tell: &mut dyn FnMut(Vec<String>, Option<String>),
) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") if !path.is_empty() || prefix.is_empty() => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let end = tree(tokens, at, &path, tell);
                    at = end.max(at + 1);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(name) if is_name(name) => {
                // `a::{self}` is `a`.
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
                at += 1;
            }
            _ => return at,
        }
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("as") => {
                tell(path, tokens.get(at + 1).cloned());
                return at + 2;
            }
            _ => {
                tell(path, None);
                return at;
            }
        }
    }
}

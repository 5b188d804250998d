//! `tagalong-webhook inject`: what the webhook would do to the objects in a file, where no webhook may run.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tagalong_wire::contract::INJECT_LABEL;

use crate::{InjectionSettings, Verdict, inject, yaml};

/// What to do without a server.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Print the objects in a file as the webhook would change them: with the sidecar where they are labelled for injection.
    /// The flags before `inject` are the webhook's own
    Inject(ByHand),
}

/// The flags of `inject`.
#[derive(Clone, Debug, clap::Args)]
pub struct ByHand {
    /// File with objects as YAML or JSON, several documents or a List too; `-` for standard input
    #[arg(short, long, value_name = "FILE|-")]
    pub file: PathBuf,
    /// Take the sidecar out of all of them instead
    #[arg(long)]
    pub remove: bool,
}

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// The file, or what is printed.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file, or `-`.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{path} is not YAML: {source}", path = path.display())]
    NotYaml {
        /// The file, or `-`.
        path: PathBuf,
        /// Where and why.
        source: Box<serde_saphyr::Error>,
    },
    /// A fault of ours.
    #[error("{object}: the patch does not fit, please report it: {source}")]
    Patch {
        /// Kind and name.
        object: String,
        /// Why.
        source: json_patch::PatchError,
    },
}

impl ByHand {
    /// Reads, changes, prints; warnings go to standard error.
    ///
    /// # Errors
    /// Nothing is printed then.
    pub fn run(&self, settings: &InjectionSettings) -> Result<(), ByHandError> {
        let file = |source| ByHandError::File {
            path: self.file.clone(),
            source,
        };
        let mut text = String::new();
        if self.file == Path::new("-") {
            std::io::stdin().read_to_string(&mut text).map_err(file)?;
        } else {
            text = std::fs::read_to_string(&self.file).map_err(file)?;
        }
        let documents =
            serde_saphyr::from_multiple(&text).map_err(|source| ByHandError::NotYaml {
                path: self.file.clone(),
                source: Box::new(source),
            })?;
        let (text, warnings) = rewritten(documents, settings, self.remove)?;
        for warning in warnings {
            let _closed = writeln!(std::io::stderr(), "{warning}");
        }
        std::io::stdout().write_all(text.as_bytes()).map_err(file)
    }
}

/// The documents as the webhook would change them, as YAML, and what it would say about them.
///
/// # Errors
/// A fault of ours.
pub fn rewritten(
    documents: Vec<Value>,
    settings: &InjectionSettings,
    remove: bool,
) -> Result<(String, Vec<String>), ByHandError> {
    // No date: the same file gives the same bytes, whenever.
    let settings = InjectionSettings {
        started: 0,
        ..settings.clone()
    };
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    for mut document in documents.into_iter().filter(|document| !document.is_null()) {
        match document.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) => {
                for item in items {
                    rewrite(item, &settings, remove, &mut warnings)?;
                }
            }
            None => rewrite(&mut document, &settings, remove, &mut warnings)?,
        }
        out.push(yaml::text(&document));
    }
    Ok((out.join("---\n"), warnings))
}

fn rewrite(
    object: &mut Value,
    settings: &InjectionSettings,
    remove: bool,
    warnings: &mut Vec<String>,
) -> Result<(), ByHandError> {
    let outcome = if remove {
        let mut asks_no_more = object.clone();
        let labels = asks_no_more.pointer_mut("/metadata/labels");
        if let Some(labels) = labels.and_then(Value::as_object_mut) {
            labels.remove(INJECT_LABEL);
        }
        inject(&asks_no_more, None, settings)
    } else {
        inject(object, None, settings)
    };
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let name = format!(
        "{} {}",
        text("/kind").unwrap_or("object"),
        text("/metadata/name").unwrap_or_default()
    );
    if outcome.verdict != Verdict::Removed || !remove {
        let said = outcome.warnings.iter();
        warnings.extend(said.map(|warning| format!("{name}: {warning}")));
    }
    json_patch::patch(object, &outcome.patch).map_err(|source| ByHandError::Patch {
        object: name,
        source,
    })
}

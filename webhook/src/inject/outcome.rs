//! What becomes of an object, and how it is said.

use json_patch::Patch;
use serde_json::Value;

use super::difference;
use super::refusal::Refusal;
use crate::sparse;

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the sidecar, as these settings want it.
    Injected,
    /// It had the sidecar and no longer asks for it.
    Removed,
    /// It neither asks for the sidecar nor has it, or is being deleted.
    Untouched,
    /// The sidecar, or its absence, stays as it is until a later update: a blue/green promotion is under way, in which
    /// Kong's operators allow no change of spec; or a webhook that started later than this one has put it there.
    Kept,
    /// It asks for the sidecar and cannot have it. A sidecar that it had is taken out, so that the outcome does not
    /// depend on what was there before.
    Refused(Refusal),
}

impl Verdict {
    /// In one word, for logs and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Removed => "removed",
            Self::Untouched => "untouched",
            Self::Kept => "kept",
            Self::Refused(_) => "refused",
        }
    }
}

/// The answer for one object.
#[derive(Clone, Debug)]
pub struct Injection {
    /// What becomes of the object.
    pub verdict: Verdict,
    /// The change that brings it about. Empty when nothing is to change.
    pub patch: Patch,
    /// What the person who applies the object should read.
    pub warnings: Vec<String>,
}

impl Injection {
    /// Nothing is to change.
    pub(super) fn unchanged(verdict: Verdict) -> Self {
        Self {
            verdict,
            patch: Patch::default(),
            warnings: Vec::new(),
        }
    }

    /// What is at `path` changes from one to the other.
    pub(super) fn change(
        path: &str,
        (from, to): (&Value, &Value),
        verdict: Verdict,
        warnings: Vec<String>,
    ) -> Self {
        let patch = difference::difference(path, from, to);
        // Only a sidecar that is not of our making can be too large to be put back.
        if difference::values(&patch).any(sparse::is_partial) {
            return Self::unchanged(Verdict::Kept);
        }
        Self {
            verdict,
            patch,
            warnings,
        }
    }
}

/// The warning that tells of a refusal.
pub(super) fn refused(refusal: &Refusal) -> String {
    format!("no sidecar: {refusal}")
}

/// The warning that tells of a removal.
pub(super) fn removed() -> String {
    "the sidecar is removed, because the object is not labelled for injection; its pods are replaced"
        .to_owned()
}

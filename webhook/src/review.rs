//! `AdmissionReview` in, `AdmissionReview` out (`admission.k8s.io/v1`).
//!
//! A review that can be read is always allowed: what cannot be helped is a warning, for the webhook must never be the
//! reason why Kong's configuration stands still. Only what is no review gets an error, and then `failurePolicy`
//! decides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cut::{LOGGED, cut};
use crate::sparse::SparseReader;
use crate::{InjectionSettings, Verdict, inject, json};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// The API server shortens what is longer (`k8s.io/apiserver/pkg/warning`), and says so in the middle of a word.
const LONGEST_WARNING: usize = 256;

/// The API server's are UUIDs. It goes into the answer, and an answer must be short.
const LONGEST_UID: usize = 253;

/// Why a request is no review.
#[derive(Debug, thiserror::Error)]
pub enum BadReview {
    /// Not JSON, or not of the fields' types.
    #[error("not an AdmissionReview: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another kind or version.
    #[error("want {API_VERSION} {KIND}, got {api_version:?} {kind:?}")]
    OtherKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// A review without a question.
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// The answer could not be told from others.
    #[error("the AdmissionReview's request has no uid of at most {LONGEST_UID} bytes")]
    NoUid,
}

/// An answer, and what a log line wants to say about it.
#[derive(Debug)]
pub struct ReviewAnswer {
    /// The `AdmissionReview` to send.
    pub body: Vec<u8>,
    /// The object's kind, in words of the program.
    pub kind: &'static str,
    /// Its namespace, cut to the length of a name.
    pub namespace: String,
    /// Its name, cut to the length of a name; empty where the API server is yet to make one up.
    pub name: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Whether it is changed.
    pub changed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reviewed<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Answers the review in `body`.
///
/// # Errors
/// It is none.
pub fn review(body: &[u8], settings: &InjectionSettings) -> Result<ReviewAnswer, BadReview> {
    let body =
        std::str::from_utf8(body).map_err(<serde_json::Error as serde::de::Error>::custom)?;
    // Reads all of it once; the objects are passed over here.
    let review: Review = serde_json::from_str(body)?;
    if review.api_version != API_VERSION || review.kind != KIND {
        return Err(BadReview::OtherKind {
            api_version: cut(review.api_version, LOGGED),
            kind: cut(review.kind, LOGGED),
        });
    }
    let request = review.request.ok_or(BadReview::NoRequest)?;
    let asked = json::field(body, "request").filter(|asked| asked.starts_with('{'));
    let asked = asked.ok_or(BadReview::NoRequest)?;
    if request.uid.is_empty() || request.uid.len() > LONGEST_UID {
        return Err(BadReview::NoUid);
    }
    let reader = SparseReader::default();
    let part = |name| json::field(asked, name);
    let object = part("object").map_or(Value::Null, |text| reader.object(text));
    let old = part("oldObject").map(|text| reader.object(text));
    let outcome = inject(&object, old.as_ref(), settings);
    let changed = !outcome.patch.is_empty();
    let patch = if changed {
        Some(STANDARD.encode(serde_json::to_vec(&outcome.patch)?))
    } else {
        None
    };
    let warnings = outcome
        .warnings
        .into_iter()
        .map(|warning| cut(format!("tagalong: {warning}"), LONGEST_WARNING))
        .collect();
    let body = serde_json::to_vec(&Reviewed {
        api_version: API_VERSION,
        kind: KIND,
        response: Response {
            uid: &request.uid,
            allowed: true,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            warnings,
        },
    })?;
    Ok(ReviewAnswer {
        body,
        kind: kind(&object),
        namespace: cut(request.namespace, LOGGED),
        name: cut(request.name, LOGGED),
        verdict: outcome.verdict,
        changed,
    })
}

/// The object's kind, of a set that a metric can have as label.
fn kind(object: &Value) -> &'static str {
    match object.get("kind").and_then(Value::as_str) {
        Some("DataPlane") => "DataPlane",
        Some("GatewayConfiguration") => "GatewayConfiguration",
        Some("Deployment") => "Deployment",
        Some("DaemonSet") => "DaemonSet",
        Some("StatefulSet") => "StatefulSet",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;

//! The messages of a stream.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::names::{Entries, Names};

/// One line of the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// The whole table.
    Snapshot(Snapshot),
    /// What changed since the version before.
    Delta(Delta),
    /// Nothing changed; `version` is what the sidecar should have.
    Heartbeat {
        /// The table's version.
        version: u64,
    },
    /// A type of message that this version does not know. To be ignored: should it have changed the table, then the
    /// next message's version shows it.
    Unknown,
}

/// The whole table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Snapshot {
    /// The table's version.
    pub version: u64,
    /// As [`Entries::services`].
    #[serde(default)]
    pub services: Names,
    /// As [`Entries::upstreams`].
    #[serde(default)]
    pub upstreams: Names,
}

/// What changed since the version before: first `unset`, then `set`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Delta {
    /// The version of the table that this makes.
    pub version: u64,
    /// New and changed entries.
    #[serde(default)]
    pub set: Entries,
    /// Names that are gone.
    #[serde(default)]
    pub unset: Unset,
}

/// Kong names that are gone from the table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Unset {
    /// From [`Entries::services`].
    #[serde(default)]
    pub services: Vec<String>,
    /// From [`Entries::upstreams`].
    #[serde(default)]
    pub upstreams: Vec<String>,
}

/// A message that cannot be read, and where.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{line}:{column}: {what}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1; 0 where the line's end was met.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

// === impl Message ===

impl Message {
    /// Reads one line of the stream.
    ///
    /// # Errors
    /// Not JSON, no `type`, or a known type whose fields do not fit.
    pub fn parse(json: &[u8]) -> Result<Self, ParseError> {
        Ok(match Head::parse(json)?.kind.as_ref() {
            "SNAPSHOT" => Self::Snapshot(serde_json::from_slice(json)?),
            "DELTA" => Self::Delta(serde_json::from_slice(json)?),
            "HEARTBEAT" => {
                let Beat { version } = serde_json::from_slice(json)?;
                Self::Heartbeat { version }
            }
            _ => Self::Unknown,
        })
    }

    /// Appends the message as one line with its newline. [`Unknown`](Self::Unknown) has no form and appends nothing.
    pub fn write(&self, out: &mut Vec<u8>) {
        let typed = match self {
            Self::Snapshot(snapshot) => Typed::Snapshot {
                version: snapshot.version,
                services: &snapshot.services,
                upstreams: &snapshot.upstreams,
            },
            Self::Delta(delta) => Typed::Delta(delta),
            Self::Heartbeat { version } => Typed::Heartbeat { version: *version },
            Self::Unknown => return,
        };
        // Maps with string keys into memory: there is nothing that could fail.
        if serde_json::to_writer(&mut *out, &typed).is_ok() {
            out.push(b'\n');
        }
    }

    /// The message's type, as on the wire.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "SNAPSHOT",
            Self::Delta(_) => "DELTA",
            Self::Heartbeat { .. } => "HEARTBEAT",
            Self::Unknown => "UNKNOWN",
        }
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Reads a file that holds one SNAPSHOT message, spread over as many lines as its writer likes.
    ///
    /// # Errors
    /// As [`Message::parse`], or another type of message.
    pub fn from_file(json: &[u8]) -> Result<Self, ParseError> {
        let head = Head::parse(json)?;
        if head.kind != "SNAPSHOT" {
            return Err(ParseError {
                line: 1,
                column: 1,
                what: format!("the type is {:?}, expected \"SNAPSHOT\"", head.kind),
            });
        }
        Ok(serde_json::from_slice(json)?)
    }
}

// === impl ParseError ===

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let full = error.to_string();
        let what = full
            .strip_suffix(&format!(" at line {line} column {column}"))
            .unwrap_or(&full);
        Self {
            line,
            column,
            what: what.to_owned(),
        }
    }
}

/// Read first, so that the message's own fields are then read with line and column, which a tagged enum loses.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Beat {
    version: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
enum Typed<'a> {
    Snapshot {
        version: u64,
        services: &'a Names,
        upstreams: &'a Names,
    },
    Delta(&'a Delta),
    Heartbeat {
        version: u64,
    },
}

impl<'a> Head<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, ParseError> {
        Ok(serde_json::from_slice(json)?)
    }
}

#[cfg(test)]
mod tests;

//! The messages of a stream.

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::names::{Ambiguous, Entries, Names, Text};
use crate::snapshot::Snapshot;

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

/// The type of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// The whole table.
    Snapshot,
    /// What changed.
    Delta,
    /// That nothing changed.
    Heartbeat,
    /// One that this version does not know.
    Unknown,
}

/// What changed since the version before: first `unset`, then `set`. A name that is set to a Service is no longer ambiguous, and one
/// that is set to be ambiguous stands for none.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(expecting = "an object with version, set and unset")]
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
#[serde(expecting = "an object with services and upstreams")]
pub struct Unset {
    /// From [`Entries::services`].
    #[serde(default)]
    pub services: Vec<String>,
    /// From [`Entries::upstreams`].
    #[serde(default)]
    pub upstreams: Vec<String>,
}

// === impl Message ===

impl Message {
    /// Reads one line of the stream.
    ///
    /// # Errors
    /// Not JSON, no `type`, or a known type whose fields do not fit.
    pub fn parse(json: &[u8]) -> Result<Self, ParseError> {
        MessageKind::of(json)?.read(json)
    }

    /// Appends the message as one line with its newline. [`Unknown`](Self::Unknown) has no form and appends nothing.
    pub fn write(&self, out: &mut Vec<u8>) {
        let typed = match self {
            Self::Snapshot(snapshot) => Typed::Snapshot {
                version: snapshot.version,
                services: &snapshot.services,
                upstreams: &snapshot.upstreams,
                ambiguous: &snapshot.ambiguous,
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
}

// === impl Snapshot ===

#[cfg(any(test, feature = "oracle"))]
impl Snapshot {
    /// Reads a file that holds one SNAPSHOT message, spread over as many lines as its writer likes.
    ///
    /// # Errors
    /// As [`read`](Self::read), or another type of message.
    pub fn from_file(json: &[u8]) -> Result<Self, ParseError> {
        MessageKind::expect(json, MessageKind::Snapshot)?;
        Self::parse(json)
    }
}

// === impl MessageKind ===

impl MessageKind {
    /// The type of the message that this line is.
    ///
    /// # Errors
    /// Not JSON, or no `type`.
    pub fn of(json: &[u8]) -> Result<Self, ParseError> {
        let head: Head<'_> = serde_json::from_slice(json)?;
        Ok(head.kind())
    }

    /// Reads a message whose type [`of`](Self::of) has found to be this one.
    ///
    /// # Errors
    /// Its fields do not fit.
    pub fn read(self, json: &[u8]) -> Result<Message, ParseError> {
        Ok(match self {
            Self::Snapshot => Message::Snapshot(Snapshot::parse(json)?),
            Self::Delta => Message::Delta(serde_json::from_slice(json)?),
            Self::Heartbeat => {
                let Beat { version } = serde_json::from_slice(json)?;
                Message::Heartbeat { version }
            }
            Self::Unknown => Message::Unknown,
        })
    }

    /// Refuses a message of another type.
    ///
    /// # Errors
    /// Not JSON, no `type`, or another one.
    pub fn expect(json: &[u8], wanted: Self) -> Result<(), ParseError> {
        let head: Head<'_> = serde_json::from_slice(json)?;
        if head.kind() == wanted {
            return Ok(());
        }
        Err(ParseError {
            line: 1,
            column: 1,
            what: format!(
                "the type is {:?}, expected {:?}",
                head.kind.0,
                wanted.as_str()
            ),
        })
    }

    /// The type, as on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "SNAPSHOT",
            Self::Delta => "DELTA",
            Self::Heartbeat => "HEARTBEAT",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Read first, so that the message's own fields are then read with line and column, which a tagged enum loses.
#[derive(Deserialize)]
#[serde(expecting = "an object with a `type`")]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
}

impl Head<'_> {
    fn kind(&self) -> MessageKind {
        match &*self.kind.0 {
            "SNAPSHOT" => MessageKind::Snapshot,
            "DELTA" => MessageKind::Delta,
            "HEARTBEAT" => MessageKind::Heartbeat,
            _ => MessageKind::Unknown,
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object with a version")]
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
        #[serde(skip_serializing_if = "Ambiguous::is_empty")]
        ambiguous: &'a Ambiguous,
    },
    Delta(&'a Delta),
    Heartbeat {
        version: u64,
    },
}

#[cfg(test)]
mod tests;

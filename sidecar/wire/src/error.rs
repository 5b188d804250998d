//! A message that does not fit.

use thiserror::Error;

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

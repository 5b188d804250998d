//! The order in which the messages of one stream must come.

use thiserror::Error;

/// The version that a stream is at; none before its first snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Versions(Option<u64>);

/// The message does not fit the table, which stays as it was. Only a new stream, which begins with a SNAPSHOT, helps.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Resync {
    /// The stream did not begin with a SNAPSHOT.
    #[error("version {got} came before any snapshot")]
    NoSnapshot {
        /// The message's version.
        got: u64,
    },
    /// A message was lost, came twice or in the wrong order.
    #[error("version {expected} was expected, {got} came")]
    Gap {
        /// The version that would have fitted.
        expected: u64,
        /// The message's version.
        got: u64,
    },
}

impl Versions {
    /// The version.
    #[must_use]
    pub fn now(self) -> Option<u64> {
        self.0
    }

    /// A snapshot came; it always fits.
    pub fn snapshot(&mut self, version: u64) {
        self.0 = Some(version);
    }

    /// A delta came.
    ///
    /// # Errors
    /// It does not follow.
    pub fn delta(&mut self, version: u64) -> Result<(), Resync> {
        self.expect(version, 1)?;
        self.0 = Some(version);
        Ok(())
    }

    /// A heartbeat came.
    ///
    /// # Errors
    /// It tells of another version.
    pub fn heartbeat(self, version: u64) -> Result<(), Resync> {
        self.expect(version, 0)
    }

    fn expect(self, got: u64, ahead: u64) -> Result<(), Resync> {
        let Some(version) = self.0 else {
            return Err(Resync::NoSnapshot { got });
        };
        let expected = version.wrapping_add(ahead);
        if got == expected {
            Ok(())
        } else {
            Err(Resync::Gap { expected, got })
        }
    }
}
